import { expect } from 'chai';
import { matchesEvent, parseEventFilters } from '../../../../lib/engine/views/event-filters.js';
import {
  checkReferences,
  impliesAll,
  matches,
  parseFilters,
} from '../../../../lib/engine/views/filters.js';
import { labelsOf } from '../../../../lib/engine/options/labels.js';
import { matchesPrune, parsePruneFilters } from '../../../../lib/engine/views/prune-filters.js';
import type {
  ContainerEvent,
  ContainerInfo,
  NetworkEvent,
} from '../../../../lib/engine/store/stored.js';
import { containerInfo } from '../../support/container-info.js';
import { expectError } from '../../support/expect-error.js';

const WEB = containerInfo({
  config: { id: 'aa11'.repeat(16), name: 'web-1', created: '2026-03-01T10:00:00Z' },
  options: {
    labels: { tier: 'front', 'com.x': '' },
    network: 'host',
    volumes: ['/srv/www:/www:ro'],
    mounts: [{ type: 'bind', source: '/etc', target: '/conf' }],
  },
  health: { status: 'healthy', failingStreak: 0, log: [] },
});
const DB = containerInfo({
  config: {
    id: 'aa22'.repeat(16),
    name: 'db',
    created: '2026-03-01T10:00:00.5Z',
    image: { kind: 'name', name: 'reg:5000/pg:16' },
  },
  options: { labels: ['tier=back', 'flag'] },
  state: { status: 'exited', exitCode: 137, finishedAt: '2026-03-01T11:00:00Z' },
  status: 'exited',
  health: { status: 'unhealthy', failingStreak: 1, log: [] },
});
const NEW = containerInfo({
  config: {
    id: 'bb33'.repeat(16),
    name: 'Web_two',
    created: '2026-03-01T10:00:01Z',
    image: { kind: 'rootfs', path: '/srv/debian', writable: 'overlay' },
  },
  state: { status: 'created', startedAt: '', exitCode: 0 },
  status: 'created',
});
const ALL: readonly ContainerInfo[] = [WEB, DB, NEW];

/** Names of those that match. */
function list(...filters: readonly string[]): string {
  const parsed = parseFilters(filters);
  return ALL.filter((info) => matches(parsed, info, ALL))
    .map(({ config }) => config.name)
    .join(' ');
}

describe('ps --filter', () => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [[], 'web-1 db Web_two'],
    [['id=aa'], 'web-1 db'],
    [[`id=${'aa22'.repeat(16)}`], 'db'],
    [['id=22'], ''],
    [['restart-policy=no'], 'web-1 db Web_two'],
    [['restart-policy=always'], ''],
    [['should-start-on-boot=false'], 'web-1 db Web_two'],
    [['should-start-on-boot=1'], ''],
    [['name=web'], 'web-1'],
    [['name=b'], 'web-1 db Web_two'],
    [['name=^/db$'], 'db'],
    [['name=^db$'], 'db'],
    [['name=^d$'], ''],
    [['name=web|db'], 'web-1 db'],
    [['name=db', 'name=two'], 'db Web_two'],
    [['label=tier'], 'web-1 db'],
    [['label=tier=front'], 'web-1'],
    [['label=tier', 'label=flag'], 'db'],
    [['label=tier=front', 'label=tier=back'], ''],
    [['label=com.x='], 'web-1'],
    [['label=toString'], ''],
    [['exited=137'], 'db'],
    [['exited=0'], ''],
    [['exited=0', 'exited=137'], 'db'],
    [['status=running'], 'web-1'],
    [['status=created', 'status=exited'], 'db Web_two'],
    [['status=paused'], ''],
    [['ancestor=host'], 'web-1'],
    [['ancestor=host:latest'], 'web-1'],
    [['ancestor=reg:5000/pg'], ''],
    [['ancestor=reg:5000/pg:16'], 'db'],
    [['ancestor=/srv/debian'], 'Web_two'],
    [['before=db'], 'web-1'],
    [['before=Web_two'], 'web-1 db'],
    [['since=web-1'], 'db Web_two'],
    [['since=aa22'], 'Web_two'],
    [['since=web-1', 'before=/Web_two'], 'db'],
    [['volume=/srv/www'], 'web-1'],
    [['volume=/www'], 'web-1'],
    [['volume=/conf', 'volume=/nope'], 'web-1'],
    [['volume=ro'], ''],
    [['network=host'], 'web-1'],
    [['network=none'], 'db Web_two'],
    [['network=bridge'], ''],
    [['publish=80'], ''],
    [['expose=8000-8080/tcp'], ''],
    [['health=none'], 'Web_two'],
    [['health=healthy'], 'web-1'],
    [['health=unhealthy'], 'db'],
    [['health=unhealthy', 'health=healthy'], 'web-1 db'],
    [['health=starting'], ''],
    [['is-task=false'], 'web-1 db Web_two'],
    [['is-task=true'], ''],
    [['name=web', 'label=tier=back'], ''],
    [['NAME = db '], 'db'],
    [[''], 'web-1 db Web_two'],
  ];
  for (const [filters, names] of cases) {
    it(`The filter ${filters.join(' ')} selects ${names === '' ? 'none' : names}`, () =>
      expect(list(...filters)).to.equal(names));
  }

  const wrong: readonly (readonly [string, RegExp])[] = [
    ['x=1', /^invalid filter 'x'/],
    ['constructor=1', /invalid filter 'constructor'/],
    ['until=1', /invalid filter 'until'/],
    ['name', /^bad format of filter "name" \(expected name=value\)/],
    ['status=asleep', /invalid filter 'status=asleep'.*running/],
    ['exited=x', /invalid filter 'exited=x'/],
    ['exited=', /invalid filter 'exited='/],
    ['health=ill', /invalid filter 'health=ill'/],
    ['is-task=maybe', /invalid filter 'is-task=maybe'/],
    ['publish=http', /invalid filter 'publish=http'/],
    ['publish=90-80', /invalid filter 'publish=90-80'/],
    ['name=(', /invalid filter 'name=\(': it is not a regular expression/],
  ];
  for (const [filter, text] of wrong) {
    it(`The filter ${filter} is refused`, () => {
      expectError(() => parseFilters([filter]), 'ERR_INVALID_OPTION', text);
    });
  }

  it('The filter names containers that exist', () => {
    const missing = parseFilters(['before=nope']);
    expectError(() => checkReferences(missing, []), 'ERR_NO_SUCH_CONTAINER', /: nope$/);
    expectError(() => matches(missing, WEB, ALL), 'ERR_NO_SUCH_CONTAINER', /: nope$/);
    expectError(() => checkReferences(parseFilters(['since=aa']), ALL), 'ERR_AMBIGUOUS_ID', /^aa /);
    expectError(() => checkReferences(parseFilters(['since=']), ALL), 'ERR_NO_SUCH_CONTAINER', /./);
    checkReferences(parseFilters(['since=db', 'before=bb']), ALL);
  });

  it('The filter shows what does not run when asked for a status', () => {
    expect(impliesAll(parseFilters(['status=exited']))).to.equal(true);
    expect(impliesAll(parseFilters(['exited=0']))).to.equal(false);
  });

  it('A container that runs again is not taken for one that has exited', () => {
    const again = containerInfo({ state: { exitCode: 3 } });
    expect(matches(parseFilters(['exited=3']), again, [])).to.equal(false);
  });
});

describe('events --filter', () => {
  const event: ContainerEvent = {
    type: 'container',
    action: 'exec_create: sh -c true',
    id: 'aa11'.repeat(16),
    attributes: { name: 'web', image: 'alpine:3', tier: 'front', signal: '9' },
    timeNano: '1',
  };
  const cases: readonly (readonly [readonly string[], boolean])[] = [
    [[], true],
    [['container=web'], true],
    [['container=/web'], true],
    [['container=aa11'], true],
    [['container=we'], false],
    [['container='], false],
    [['container=x', 'container=web'], true],
    [['event=exec_create'], true],
    [['event=exec'], false],
    [['event=exec_create: sh -c true'], true],
    [['event=die', 'event=exec_create'], true],
    [['event=die'], false],
    [['type=container'], true],
    [['type=network'], false],
    [['image=alpine:3'], true],
    [['image=alpine'], true],
    [['image=alpine:4'], false],
    [['label=tier'], true],
    [['label=tier=front'], true],
    [['label=tier=back'], false],
    [['label=signal'], false],
    [['label=name=web'], false],
    [['network=bridge'], false],
    [['scope=local'], true],
    [['scope=swarm'], false],
    [['container=web', 'event=die'], false],
  ];
  for (const [filters, expected] of cases) {
    it(`The filter ${filters.join(' ')} selects ${expected}`, () =>
      expect(matchesEvent(parseEventFilters(filters), event)).to.equal(expected));
  }

  it('Events of networks have filters of their own', () => {
    const attributes = { name: 'web', type: 'bridge' };
    const network: NetworkEvent = { type: 'network', action: 'create', id: 'bb11'.repeat(16), attributes, timeNano: '1' }; // prettier-ignore
    const selects = (...filters: string[]) => matchesEvent(parseEventFilters(filters), network);
    for (const filter of [
      'network=web',
      'network=bb1',
      'type=network',
      'event=create',
      'scope=local',
    ])
      // prettier-ignore
      expect(selects(filter), filter).to.equal(true);
    for (const filter of [
      'network=we',
      'container=web',
      'type=container',
      'image=web',
      'label=type=bridge',
    ])
      // prettier-ignore
      expect(selects(filter), filter).to.equal(false);
  });

  it('The filter refuses what it does not know', () => {
    for (const filter of ['x=1', 'type=box', 'scope=x', 'name=web'])
      expectError(() => parseEventFilters([filter]), 'ERR_INVALID_OPTION', /invalid filter/);
  });
});

describe('prune --filter', () => {
  const now = new Date('2026-03-01T12:00:00Z');
  const cases: readonly (readonly [readonly string[], string])[] = [
    [[], 'web-1 db Web_two'],
    [['until=2h'], ''],
    [['until=1h'], 'web-1 db Web_two'],
    [['until=2026-03-01T10:00:00.5Z'], 'web-1'],
    [['until=2026-03-01T10:00:00.500000001Z'], 'web-1 db'],
    [['label=tier'], 'web-1 db'],
    [['label=tier', 'label=flag'], 'db'],
    [['label!=tier=front'], 'db Web_two'],
    [['label!=tier'], 'Web_two'],
    [['label!=flag', 'label!=com.x'], 'Web_two'],
    [['label=tier', 'label!=flag', 'until=1h'], 'web-1'],
  ];
  for (const [filters, names] of cases) {
    it(`The filter ${filters.join(' ')} selects ${names === '' ? 'none' : names}`, () => {
      const parsed = parsePruneFilters(filters, now);
      const kept = ALL.filter((info) =>
        matchesPrune(parsed, {
          created: info.config.created,
          labels: labelsOf(info.config.options.labels),
        }),
      );
      expect(kept.map(({ config }) => config.name).join(' ')).to.equal(names);
    });
  }

  it('The filter refuses what it does not know', () => {
    for (const filter of ['name=x', 'until=soon', 'until='])
      expectError(() => parsePruneFilters([filter], now), 'ERR_INVALID_OPTION', /filter|until/);
    expectError(
      () => parsePruneFilters(['until=1h', 'until=2h'], now),
      'ERR_INVALID_OPTION',
      /only once/,
    );
  });
});
