import { expect } from 'chai';
import {
  matchesNetwork,
  parseNetworkFilters,
} from '../../../../lib/engine/networks/network-filters.js';
import type { NetworkInfo } from '../../../../lib/engine/networks/network-info.js';
import { expectError } from '../../support/expect-error.js';

const network = (name: string, more: Partial<NetworkInfo> = {}): NetworkInfo => ({
  id: Buffer.from(name).toString('hex').padEnd(64, '0'),
  name,
  driver: 'bridge',
  internal: false,
  attachable: false,
  labels: {},
  options: {},
  containers: [],
  ...more,
});

const ALL = [
  network('bridge'),
  network('host', { driver: 'host' }),
  network('none', { driver: 'null' }),
  network('web', { labels: { tier: 'front' }, containers: [{ containerId: 'a' }] }),
  network('web-2', { labels: { tier: 'back', flag: '' } }),
];

describe('network ls --filter', () => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [[], 'bridge host none web web-2'],
    [['driver=bridge'], 'bridge web web-2'],
    [['driver=brid'], ''],
    [['driver=host', 'driver=null'], 'host none'],
    [['name=web'], 'web web-2'],
    [['name=^web$'], 'web'],
    [['name=['], ''],
    [[`id=${Buffer.from('web-').toString('hex')}`], 'web-2'],
    [['label=tier'], 'web web-2'],
    [['label=tier=back', 'label=flag'], 'web-2'],
    [['scope=local', 'type=builtin'], 'bridge host none'],
    [['scope=swarm'], ''],
    [['type=custom'], 'web web-2'],
    [['type=custom', 'type=builtin'], 'bridge host none web web-2'],
    [['dangling=true'], 'web-2'],
    [['dangling=0'], 'bridge host none web'],
  ];
  for (const [filters, names] of cases) {
    it(`The filter ${filters.join(' ')} selects ${names === '' ? 'none' : names}`, () => {
      const parsed = parseNetworkFilters(filters);
      const kept = ALL.filter((each) => matchesNetwork(parsed, each));
      expect(kept.map(({ name }) => name).join(' ')).to.equal(names);
    });
  }

  it('The filter refuses what it does not know', () => {
    for (const filter of ['x=1', 'type=x', 'dangling=maybe'])
      expectError(() => parseNetworkFilters([filter]), 'ERR_INVALID_OPTION', /invalid filter/);
    const twice = ['dangling=1', 'dangling=0'];
    expectError(() => parseNetworkFilters(twice), 'ERR_INVALID_OPTION', /only once/);
  });
});
