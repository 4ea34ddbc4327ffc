/** Requests over netlink(7), against the kernel, in network namespaces of this suite. */
import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { CaissonError } from '../../lib/base/errors.js';
import { encodeRequest, NETLINK } from '../../lib/network/netlink/message.js';
import { dumpNetlink, hintForNetlink, requestNetlink } from '../../lib/network/netlink/request.js';
import {
  addAddress,
  addBridge,
  addDefaultRoute,
  addImpossibleLink,
  decodeLink,
  deleteLink,
  GET_LINKS,
  IMPOSSIBLE_LINK,
  setLinkUp,
} from '../../lib/network/netlink/rtnetlink.js';
import { needsRoot } from '../support/needs.js';
import { generation } from '../../lib/network/firewall/nft-listing.js';
import { addChain, batch, dryRun } from '../../lib/network/firewall/nft-messages.js';
import { tableMessages, tableRequest } from '../../lib/network/firewall/ruleset.js';
import { NetworkNamespace } from '../support/network-namespace.js';
import { fixture } from '../support/paths.js';
import { rejectionOf } from '../support/rejection.js';

needsRoot('network namespaces').describe('Requests over netlink', () => {
  let place: NetworkNamespace;
  beforeEach(async () => {
    place = await NetworkNamespace.make();
  });
  afterEach(() => place.end());

  const links = async () =>
    (await dumpNetlink(NETLINK.route, GET_LINKS, { namespace: place.path })).map(decodeLink);
  const request = (...messages: Parameters<typeof encodeRequest>[1]) =>
    requestNetlink(encodeRequest(NETLINK.route, messages), { namespace: place.path });

  it('A bridge is made with addresses and a route, which ip(8) shows', async () => {
    await request(addBridge('br0', { mac: '02:42:00:00:00:01', mtu: 1400 }));
    const bridge = (await links()).find(({ name }) => name === 'br0');
    expect(bridge).to.include({ kind: 'bridge', up: false });
    const index = bridge?.index ?? 0;
    await request(
      setLinkUp(1, 'lo'),
      setLinkUp(index, 'br0'),
      addAddress(index, 'br0', { address: '10.9.0.1', prefix: 24 }, '10.9.0.255'),
      addAddress(index, 'br0', { address: 'fd00:9::1', prefix: 64 }),
      addDefaultRoute(index, 'br0', '10.9.0.2'),
      addDefaultRoute(index, 'br0', 'fd00:9::2'),
    );
    expect(await place.run('ip', '-o', 'link', 'show', 'br0')).to.match(
      /mtu 1400 .*link\/ether 02:42:00:00:00:01/,
    );
    const addresses = await place.run('ip', '-o', 'address', 'show', 'br0');
    expect(addresses).to.include('inet 10.9.0.1/24 brd 10.9.0.255 scope global br0');
    expect(addresses).to.match(/inet6 fd00:9::1\/64 scope global nodad/);
    expect(await place.run('ip', 'route')).to.include('default via 10.9.0.2 dev br0');
    expect(await place.run('ip', '-6', 'route')).to.include('default via fd00:9::2 dev br0');
    await request(deleteLink('br0'));
    expect((await links()).map(({ name }) => name)).to.deep.equal(['lo']);
  });

  it("An error says which message the kernel has refused, and the kernel's reason", async () => {
    await request(addBridge('br0', {}));
    const again = await rejectionOf(request(setLinkUp(1, 'lo'), addBridge('br0', {})));
    expect(again).to.be.instanceOf(CaissonError);
    expect(again).to.include({ code: 'ERR_NETWORK_FAILED', errno: 'EEXIST' });
    expect(again.message).to.include('link add br0 type bridge');
    // An address that no interface has: the kernel explains in words.
    const nowhere = await rejectionOf(
      request(addAddress(99, 'eth9', { address: '10.0.0.1', prefix: 8 })),
    );
    expect(nowhere.message).to.match(/address add 10\.0\.0\.1\/8 dev eth9: .*ENODEV/);
    const route = await rejectionOf(request(addDefaultRoute(1, 'lo', '10.9.9.9')));
    expect(route.message).to.match(/route add default via 10\.9\.9\.9 dev lo: .+: E/);
  });

  it('A batch does nothing if the ruleset has changed since the generation that it names', async () => {
    const namespace = { namespace: place.path };
    const before = await generation(namespace);
    await place.run('nft', 'add', 'table', 'inet', 'other');
    const refused = await rejectionOf(requestNetlink(batch(tableMessages(), before), namespace));
    expect(refused).to.include({ code: 'ERR_NETWORK_FAILED', errno: 'errno 85' }); // ERESTART
    expect(await place.run('nft', 'list', 'tables')).to.equal('table inet other\n');
    await requestNetlink(batch(tableMessages(), await generation(namespace)), namespace);
    expect(await place.run('nft', 'list', 'tables')).to.include('table inet caisson\n');
  });

  it('The kernel is asked whether it has interfaces of a kind, and makes none', async () => {
    for (const kind of ['bridge', 'veth'] as const) {
      const error = await rejectionOf(request(addImpossibleLink(kind)));
      expect(error, kind).to.include({ code: 'ERR_NETWORK_FAILED', errno: IMPOSSIBLE_LINK });
    }
    const unknown = await rejectionOf(request(addImpossibleLink('nosuch' as 'bridge')));
    expect(unknown).to.include({ code: 'ERR_NETWORK_FAILED', errno: 'EOPNOTSUPP' });
    expect((await links()).map(({ name }) => name)).to.deep.equal(['lo']);
    expect(hintForNetlink(NETLINK.route, 'EOPNOTSUPP', 'link add caisson0 type bridge')).to.match(
      /no interfaces of the type bridge: as root: modprobe bridge$/,
    );
  });

  it('A batch of nf_tables without its end is checked, and changes nothing', async () => {
    const options = { namespace: place.path };
    await requestNetlink(dryRun(tableMessages()), options);
    expect(await place.run('nft', 'list', 'tables')).to.equal('');
    // Where the table is there already, too.
    await requestNetlink(tableRequest(), options);
    const before = await place.run('nft', 'list', 'ruleset');
    await requestNetlink(dryRun(tableMessages()), options);
    expect(await place.run('nft', 'list', 'ruleset')).to.equal(before);
    const chain = { name: 'filter', type: 'filter', hook: 'forward', priority: [0, '0'] } as const;
    const error = await rejectionOf(requestNetlink(dryRun([addChain({ family: 'inet', name: 'nowhere' }, chain)]), options)); // prettier-ignore
    expect(error).to.include({ code: 'ERR_NETWORK_FAILED', errno: 'ENOENT' });
  });

  it('A dump of 300 interfaces is read whole', async () => {
    for (let at = 0; at < 300; at++) await request(addBridge(`br${at}`, {}));
    expect(await links()).to.have.length(301);
  });

  it('A request in another namespace leaves no thread there, and fails where there is none', async () => {
    const error = await rejectionOf(
      dumpNetlink(NETLINK.route, GET_LINKS, { namespace: '/proc/self/ns/uts' }),
    );
    expect(error).to.include({ code: 'ERR_NETWORK_FAILED', errno: 'EINVAL', syscall: 'setns' });
    await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        if (at % 2 === 0) expect(await links()).to.have.length(1);
        else {
          const own = (await dumpNetlink(NETLINK.route, GET_LINKS)).map(decodeLink);
          expect(own.map(({ name }) => name)).to.have.members(readdirSync('/sys/class/net'));
        }
      }),
    );
  });

  it('A process that asks again gets the answers to its own requests, also after some were refused', async () => {
    const output = await place.run(process.execPath, fixture('netlink-again'));
    const found = JSON.parse(output) as {
      refused: string[];
      made: string;
      many: [string, number][];
      more: number;
    };
    expect(found.refused).to.deep.equal(Array.from({ length: 20 }, () => 'ENOENT'));
    expect(found.made).to.equal('done');
    const rules = tableRequest().text.match(/^add rule/gm);
    expect(found.many).to.deep.equal(Array.from({ length: 20 }, () => ['done', rules?.length]));
    expect(found.more).to.be.lessThan(5);
  });
});
