/**
 * Ways out of an unprivileged user's container with a policy: those of network-bypass.test.ts that matter there, and those that
 * pasta adds, which passes on what it is sent to the machine itself.
 */
import { expect } from 'chai';
import {
  AROUND,
  attacking,
  type Escapes,
  LEAD_NOWHERE,
  Watcher,
} from '../support/attack-programs.js';
import { ADDRESS, GATEWAY, SERVER } from '../support/outer-network.js';
import { eventually } from '../support/outside.js';
import { HOST, HOST6, OTHER, OTHER6, RootlessGround, WEB } from '../support/rootless-ground.js';
import { skip } from '../support/skip.js';

const LAB: Omit<Escapes, 'attacks'> = {
  ...AROUND,
  open: { ip: WEB },
  closed: { ip: OTHER, ip6: OTHER6 },
  host: HOST,
  abstract: `caisson-rootless-${process.pid}`,
};
/** Names are those of test/support/attacks/escapes.py. */
const WAYS = [
  'udp',
  'udp6',
  'udp-allowed',
  'quic',
  'dns-udp',
  'host',
  'neighbour',
  'neighbour6',
  'neighbour-link',
  'multicast',
  'broadcast',
  'raw-udp',
  'fragments',
  'frame-neighbour',
  'frame-all',
  'neighbour-gateway',
  'arp-padding',
];
/** Nothing of these arrives, whether there is a policy or not. */
const NEVER_ARRIVES: readonly string[] = [
  ...LEAD_NOWHERE,
  'gateway',
  'gateway6',
  'icmp-answer',
  'discovery-out',
  'half-open',
  'tunnel-ipip',
  'tunnel-6in4',
  'unknown-protocol',
];
/** Addresses that pasta passes on to the machine, or might. */
const OF_HOST = [HOST, SERVER, ADDRESS, '169.254.1.1', GATEWAY, '127.0.0.1', '0.0.0.0', HOST6, '::1']; // prettier-ignore

describe('Ways out of a container with a policy of an unprivileged user', function () {
  this.timeout(300_000);
  let ground: RootlessGround;
  const watchers: Watcher[] = [];

  before(async function () {
    const missing = RootlessGround.missing();
    if (missing !== undefined) skip(this, missing);
    ground = await RootlessGround.make();
    for (const number of [77, 78])
      await ground.ok('network', 'create', '--ipv6', '--subnet', `10.${number}.0.0/24`, '--subnet', `fd00:${number}::/64`, number === 77 ? 'web' : 'other'); // prettier-ignore
    const { ip, ip6 } = LAB.neighbour;
    const neighbour = await started('--network', 'web', '--ip', ip, '--ip6', ip6);
    const stranger = await started('--network', 'other', '--ip', LAB.stranger);
    const within = async (id: string) => {
      const pid = await ground.ok('inspect', '-f', '{{.State.Pid}}', id);
      return ['nsenter', '--target', pid, '--net', '--'];
    };
    watchers.push(
      await Watcher.start(ground.internet.namespace.within, 'watch', 'eth0'),
      await Watcher.start(await within(neighbour), 'watch', 'eth0'),
      await Watcher.start(await within(stranger), 'watch', 'eth0'),
      // All that is sent to addresses of the machine itself.
      await Watcher.start(ground.outer.within, 'watch', 'lo'),
      await Watcher.start(ground.outer.within, 'listen', '4001'),
    );
  });
  after(async () => {
    for (const watcher of watchers) watcher.end();
    await (ground as RootlessGround | undefined)?.clear();
    await (ground as RootlessGround | undefined)?.cleanUp();
  });

  const started = (...flags: readonly string[]) =>
    ground.ok('run', '-d', ...flags, 'host', 'sleep', '1000');
  const attacker = (...flags: readonly string[]) =>
    started('--network', 'web', '--ip', LAB.own.ip, '--ip6', LAB.own.ip6, '--cap-add', 'NET_ADMIN', ...flags); // prettier-ignore
  const attack = async (id: string, attacks: readonly string[], lab: Partial<Escapes> = {}) => {
    const program = attacking('escapes', { ...LAB, ...lab, attacks });
    const { stdout, stderr } = await ground.tell('exec', id, ...program);
    if (stderr !== '') throw new Error(stderr);
    return JSON.parse(stdout) as Record<string, string[]>;
  };
  const arrived = (traces: Record<string, string[]>) =>
    Object.keys(traces).filter((way) => watchers.some((each) => each.has(traces[way] ?? [])));
  /** Datagrams to a port of this address that is listened at, and to that of name servers. */
  const toHost = async (id: string, ip: string) => {
    clear();
    const closed = { ip, ip6: ip.includes(':') ? ip : OTHER6 };
    return ip.includes(':')
      ? attack(id, ['udp6'], { closed })
      : attack(id, ['host', 'dns-udp'], { host: ip, closed });
  };
  /** The addresses where something has arrived that was sent before what is answered. */
  const reached = async (id: string, addresses: readonly string[]) => {
    const found: string[] = [];
    for (const address of addresses) {
      const traces = await toHost(id, address);
      expect(await answers(id)).to.deep.equal([`internet ${HOST}`]);
      if (arrived(traces).length > 0) found.push(address);
    }
    return found;
  };
  const clear = () => {
    for (const watcher of watchers) watcher.clear();
  };
  const answers = (id: string) => ground.answers(id, { by: 'tcp', to: WEB, port: 80 });

  it('None leads out, and none to the machine by an address that pasta passes on', async () => {
    const id = await attacker('--allow', `${WEB}:80/tcp`);
    expect(await answers(id)).to.deep.equal([`internet ${HOST}`]);
    const traces = await attack(id, [...WAYS, ...NEVER_ARRIVES]);
    expect(await answers(id)).to.deep.equal([`internet ${HOST}`]);
    expect(arrived(traces)).to.deep.equal([]);
    expect(await reached(id, OF_HOST)).to.deep.equal([]);
    await ground.ok('rm', '-f', id);
  });

  it('Where a policy denies some addresses alone, none leads to the machine either', async () => {
    const id = await attacker('--deny', '10.0.0.0/8');
    expect(await reached(id, OF_HOST)).to.deep.equal([]);
    await ground.ok('rm', '-f', id);
  });

  it('Without a policy they do lead out, but for those that no container may use', async () => {
    clear();
    const id = await attacker();
    const traces = await attack(id, [...WAYS, ...NEVER_ARRIVES]);
    await eventually(() => expect(arrived(traces).sort()).to.deep.equal([...WAYS].sort()));
    for (const address of [HOST, SERVER, '169.254.1.1']) {
      const own = await toHost(id, address);
      await eventually(() => expect(arrived(own), address).not.to.deep.equal([]));
    }
    await ground.ok('rm', '-f', id);
  });
});
