/** Which frames a container may send: the table `bridge caisson`, and what arrives. */
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  addFramePort,
  type FramePort,
  liftFramePort,
  removeFramePort,
  unliftFramePort,
} from '../../lib/network/firewall/frame-elements.js';
import { FRAME_TABLE, frameTableMessages } from '../../lib/network/firewall/frame-ruleset.js';
import { batch } from '../../lib/network/firewall/nft-messages.js';
import { tableRequest } from '../../lib/network/firewall/ruleset.js';
import { removeFramePorts } from '../../lib/network/firewall/remove-frame-ports.js';
import type { NetlinkMessage } from '../../lib/network/netlink/message.js';
import { requestNetlink } from '../../lib/network/netlink/request.js';
import {
  type Attacks,
  attacking,
  attacksOf,
  pinging,
  Watcher,
} from '../support/attack-programs.js';
import { untilNothing } from '../support/leftovers.js';
import { needsNftables, needsRoot } from '../support/needs.js';
import { NetworkHost } from '../support/network-host.js';
import { NetworkNamespace } from '../support/network-namespace.js';
import { eventually } from '../support/outside.js';

needsNftables().describe('The filter for frames and nft(8)', () => {
  let place: NetworkNamespace;
  beforeEach(async () => {
    place = await NetworkNamespace.make();
  });
  afterEach(() => place.end());

  const options = () => ({ namespace: place.path });
  const shown = () => place.run('nft', 'list', 'table', FRAME_TABLE.family, FRAME_TABLE.name);
  const request = (messages: readonly NetlinkMessage[]) =>
    requestNetlink(batch(messages), options());
  const port: FramePort = {
    port: 've0123456789ab0',
    bridgeMac: '02:42:0a:50:00:01',
    mac: '02:42:0a:50:00:02',
    addresses: ['10.80.0.2', 'fd00:80::2', 'fe80::42:aff:fe50:2'],
  };
  const other: FramePort = {
    ...port,
    port: 've0123456789ac0',
    mac: '02:42:0a:50:00:03',
    addresses: ['10.80.0.3'],
  };

  it('Each rule is shown as its message says it', async () => {
    await requestNetlink(tableRequest(), options());
    await request(frameTableMessages());
    const text = batch(frameTableMessages()).text.split('\n');
    const rules = text.flatMap(
      (line) => /^add rule bridge caisson \S+ (.+)$/.exec(line)?.[1] ?? [],
    );
    expect(rules).to.have.length.greaterThan(40);
    // What follows says it, too.
    const shorter = (line: string) =>
      line
        .replace(
          /^ether type (ip6?)(?= .*\1)|^ether type arp (?=arp)|^ether type ip6 (?=exthdr|meta l4)/,
          '',
        )
        .trim();
    const listed = (await shown())
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => !/^(type|elements|set|map|chain|size|flags|typeof|table|\})/.test(line));
    expect(listed.filter((line) => line !== '')).to.deep.equal(rules.map(shorter));
  });

  it('What nft(8) shows can be loaded by it, and is then shown the same', async () => {
    await requestNetlink(tableRequest(), options());
    await request(frameTableMessages());
    await request([...addFramePort(port), ...liftFramePort(port), ...addFramePort(other)]);
    const before = await shown();
    expect(before).to.include('"ve0123456789ab0" . 02:42:0a:50:00:02 . fe80::42:aff:fe50:2');
    await place.run(
      'sh',
      '-c',
      'nft list ruleset > /dev/shm/$$ && nft flush ruleset && nft -f /dev/shm/$$; rm /dev/shm/$$',
    );
    expect(await shown()).to.equal(before);
  });

  it('A port is added and removed any number of times, and what another one has stays', async () => {
    await requestNetlink(tableRequest(), options());
    await request(frameTableMessages());
    await request(addFramePort(other));
    const before = await shown();
    for (let at = 0; at < 2; at++) {
      await request([...addFramePort(port), ...liftFramePort(port)]);
      await request([...addFramePort(port), ...liftFramePort(port)]);
      await request(unliftFramePort(port));
      await request(liftFramePort(port));
      await request(removeFramePort(port));
      await request(removeFramePort(port));
      expect(await shown()).to.equal(before);
    }
    await request([...addFramePort(port), ...liftFramePort(port)]);
    await removeFramePorts((name) => name === port.port, port.addresses, options());
    await removeFramePorts((name) => name === port.port, port.addresses, options());
    expect(await shown()).to.equal(before);
  });

  it('Nothing is removed where there is no table', async () => {
    await removeFramePorts(() => true, ['10.0.0.1'], options());
  });
});

needsRoot('network namespaces and bridges').describe('Frames of a container', function () {
  this.timeout(120_000);
  let directory: string;
  let host: NetworkHost;
  let attacker: string;
  let neighbour: string;
  let bridge: string;
  let toNeighbour: Watcher;
  let toBridge: Watcher;
  let toHost: Watcher;

  const lab: Omit<Attacks, 'attacks'> = {
    own: { ip: '10.77.0.3', ip6: 'fd00:77::3', mac: '02:42:0a:4d:00:03', free: '10.77.0.99' },
    neighbour: { ip: '10.77.0.2', ip6: 'fd00:77::2', mac: '02:42:0a:4d:00:02' },
    gateway: { ip: '10.77.0.1', ip6: 'fd00:77::1', mac: '02:42:0a:4d:00:01' },
  };
  const names = attacksOf('spoofing');
  const bad = names.filter((name) => !name.startsWith('good-'));
  const good = names.filter((name) => name.startsWith('good-'));

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caisson-frames-'));
    host = await NetworkHost.make(directory);
    await host.createNetwork('web', '10.77.0.0/24', 'fd00:77::/64');
    [neighbour = '', attacker = ''] = await Promise.all(
      [lab.neighbour, lab.own].map(({ ip, ip6 }) => started({ ip, ip6 })),
    );
    const { state } = await host.inspect(neighbour);
    const inNeighbour = ['nsenter', '--target', String(state.pid), '--net', '--'];
    bridge = (await host.links()).find((name) => name.startsWith('cai-')) ?? '';
    toNeighbour = await Watcher.start(inNeighbour, 'watch', 'eth0');
    toBridge = await Watcher.start(host.namespace.within, 'watch', bridge);
    toHost = await Watcher.start(host.namespace.within, 'listen', '4001');
  });
  after(async () => {
    for (const watcher of [toNeighbour, toBridge, toHost]) watcher?.end();
    await host.end();
    await rm(directory, { recursive: true, force: true });
  });

  const all = () => [toNeighbour, toBridge, toHost];
  const arrived = (which: readonly string[]) =>
    which.filter((name) => all().some((watcher) => watcher.arrived([name]).length > 0));
  const started = async (address: { ip: string; ip6: string }) => {
    const id = await host.create(['sleep', '1000'], {
      network: 'web',
      capAdd: ['NET_ADMIN'],
      ...address,
    });
    await host.onContainer(id, 'start');
    return id;
  };
  const inContainer = async (id: string, ...argv: readonly string[]) => {
    const { stdout, stderr } = await host.exec(id, ...argv);
    if (stderr !== '') throw new Error(stderr);
    return stdout;
  };
  const inAttacker = (...argv: readonly string[]) => inContainer(attacker, ...argv);
  const attack = async (attacks: readonly string[]) => {
    for (const watcher of all()) watcher.clear();
    const stdout = await inAttacker(...attacking('spoofing', { ...lab, attacks }));
    const told = JSON.parse(stdout) as Record<string, string>;
    expect(Object.values(told).filter((each) => each !== 'None')).to.deep.equal([]);
  };
  /** The port that the bridge sends frames for the neighbour to. */
  const portOfNeighbour = async () => {
    const entries = await host.namespace.run('bridge', 'fdb', 'show', 'br', bridge);
    return new RegExp(`^${lab.neighbour.mac} dev (\\S+)`, 'm').exec(entries)?.[1];
  };
  const counted = async () => {
    const set = await host.namespace.run('nft', 'list', 'set', 'bridge', 'caisson', 'refused');
    return Number(/counter packets (\d+)/.exec(set)?.[1] ?? 0);
  };
  /** The last of the frames that have to arrive: those before it have arrived, if they do at all. */
  const LAST = 'good-ip';
  const untilLast = () =>
    eventually(async () => expect(toNeighbour.arrived([LAST])).to.deep.equal([LAST]));

  it('A11: Frames with addresses of others, and those that only the network itself may send, arrive nowhere, and are counted', async () => {
    await attack([LAST]);
    await untilLast();
    const port = await portOfNeighbour();
    const before = await counted();
    await attack([...bad, LAST]);
    await untilLast();
    expect(arrived(bad)).to.deep.equal([]);
    // Two of them are frames to 01:80:c2:00:00:0e, which the kernel gives to no rule of a bridge; one is two frames.
    expect((await counted()) - before).to.equal(bad.length - 2 + 1);
    expect(port).to.match(/^ve/);
    expect(await portOfNeighbour()).to.equal(port);
  });

  it('What a container may send arrives', async () => {
    await attack([...good, LAST]);
    await eventually(async () => expect(arrived(good)).to.deep.equal(good));
  });

  it('A container reaches others with its own addresses alone, also if it gives itself others', async () => {
    const ping = (...addresses: [to: string, from?: string]) =>
      inAttacker(...pinging(...addresses));
    for (const address of [lab.neighbour.ip, lab.gateway.ip, lab.neighbour.ip6, lab.gateway.ip6])
      expect(await ping(address), address).to.equal('answered\n');
    await inAttacker('ip', 'address', 'add', `${lab.own.free}/24`, 'dev', 'eth0');
    for (const address of [lab.neighbour.ip, lab.gateway.ip])
      expect(await ping(address, lab.own.free), address).to.equal('silent\n');
    await inAttacker('ip', 'address', 'del', `${lab.own.free}/24`, 'dev', 'eth0');
    expect(await ping(lab.neighbour.ip)).to.equal('answered\n');
  });

  it('Without the filter each of them arrives', async () => {
    const sets = ['ports', 'sources4', 'sources6'].map((name) => `bridge caisson ${name}`);
    for (const set of [...sets, 'inet caisson ports'])
      await host.namespace.run('nft', `flush set ${set}`);
    await host.namespace.run('ip', 'link', 'set', bridge, 'type', 'bridge', 'no_linklocal_learn', '0'); // prettier-ignore
    await attack(bad.filter((name) => name !== 'link-discovery'));
    await eventually(async () =>
      expect(arrived(bad)).to.deep.equal(bad.filter((name) => name !== 'link-discovery')),
    );
    // The bridge has learned from the attacks that its address is at the attacker, until it sends something itself.
    await inContainer(neighbour, ...pinging(lab.gateway.ip));
    const port = await portOfNeighbour();
    await attack(['link-discovery']);
    await eventually(async () => expect(await portOfNeighbour()).not.to.equal(port));
  });

  it('Nothing is left of a container in the filter', async () => {
    await host.onContainer(attacker, 'remove', { force: true });
    await untilNothing(async () => {
      const tables = await host.namespace.run('nft', 'list', 'ruleset');
      return tables.match(/02:42:0a:4d:00:03|10\.77\.0\.3/g) ?? [];
    });
    const tables = await host.namespace.run('nft', 'list', 'ruleset');
    expect(tables).to.include('02:42:0a:4d:00:02');
  });
});
