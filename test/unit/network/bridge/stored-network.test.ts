import { expect } from 'chai';
import { isStored, parseNetwork, type StoredNetwork } from '../../../../lib/network/bridge/stored-network.js'; // prettier-ignore

const NETWORK: StoredNetwork = {
  version: 1,
  id: 'ab'.repeat(32),
  name: 'web',
  driver: 'bridge',
  created: '2026-01-31T08:00:00.000Z',
  bridge: 'cai-abababababa',
  ipv4: { subnet: '10.1.0.0/16', gateway: '10.1.0.1', ipRange: '10.1.5.0/24' },
  ipv6: { subnet: 'fd00::/64', gateway: 'fd00::1', auxAddresses: { a: 'fd00::9' } },
  internal: false,
  attachable: true,
  labels: { a: 'b' },
  options: {},
};

describe('The file of a network', () => {
  it('It is read as it was written', () => {
    expect(parseNetwork(JSON.stringify(NETWORK))).to.deep.equal(NETWORK);
    const { ipv6: _, ...ipv4Only } = NETWORK;
    expect(parseNetwork(JSON.stringify(ipv4Only))).to.deep.equal(ipv4Only);
    expect(isStored(NETWORK)).to.equal(true);
    expect(isStored({ id: NETWORK.id, name: 'host', driver: 'host' })).to.equal(false);
  });

  it('A file that was cut short is no network', () => {
    const text = JSON.stringify(NETWORK);
    for (let end = 0; end < text.length; end += 7)
      expect(parseNetwork(text.slice(0, end)), `${end}`).to.equal(undefined);
  });

  const wrong: readonly Readonly<Record<string, unknown>>[] = [
    { version: 2 },
    { id: 'x' },
    { name: 1 },
    { driver: 'macvlan' },
    { created: 'yesterday' },
    { bridge: undefined },
    { ipv4: undefined },
    { ipv4: { subnet: '10.1.0.1/16', gateway: '10.1.0.1' } },
    { ipv4: { subnet: '10.1.0.0/16', gateway: '10.2.0.1' } },
    { ipv4: { subnet: '10.1.0.0/16', gateway: '10.1.0.1', ipRange: '10.2.0.0/24' } },
    { ipv4: { subnet: 'fd00::/64', gateway: 'fd00::1' } },
    { ipv6: { subnet: '10.1.0.0/16', gateway: '10.1.0.1' } },
    { ipv6: { subnet: 'fd00::/64', gateway: 'fd00::1', auxAddresses: { a: 1 } } },
    { internal: 'no' },
    { attachable: 1 },
    { labels: [] },
    { labels: { a: 1 } },
    { options: null },
  ];
  for (const change of wrong) {
    it(`A file with ${JSON.stringify(change)} is no network`, () => {
      expect(parseNetwork(JSON.stringify({ ...NETWORK, ...change }))).to.equal(undefined);
    });
  }
});
