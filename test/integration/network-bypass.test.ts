/**
 * Ways out of a container with a policy that allows one port of one address. Each is tried by a program in the container, and seen
 * by those who would receive it. docs/network-policy.md has the table that results: `CAISSON_RECORD=1` writes it.
 */
import { expect } from 'chai';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunOptions } from '../../lib/index.js';
import {
  AROUND,
  attacking,
  attacksOf,
  type Escapes,
  LEAD_NOWHERE,
  Watcher,
} from '../support/attack-programs.js';
import { needsRoot } from '../support/needs.js';
import { NetworkHost } from '../support/network-host.js';
import { Machine } from '../support/network-machine.js';
import { eventually } from '../support/outside.js';
import { fixture, repository } from '../support/paths.js';

const OPEN = '203.0.113.10';
const EXPIRED = '203.0.113.30';
const METADATA = '169.254.169.254';
const LAB: Omit<Escapes, 'attacks'> = {
  ...AROUND,
  open: { ip: OPEN },
  closed: { ip: '203.0.113.20', ip6: '2001:db8:1::20' },
  host: '203.0.113.1',
  expired: EXPIRED,
  abstract: `caisson-bypass-${process.pid}`,
};

/** What each of them is; the names are those of test/support/attacks/escapes.py. */
const WAYS: Readonly<Record<string, string>> = {
  tcp: 'TCP to an address that is not allowed',
  'tcp-port': 'TCP to another port of an allowed address',
  tcp6: 'TCP over IPv6',
  mapped: 'an IPv4 address in the form of IPv6 (`::ffff:…`)',
  udp: 'UDP to an address that is not allowed',
  udp6: 'UDP over IPv6',
  'udp-allowed': 'UDP to another port of an allowed address, as WebRTC does it',
  quic: 'QUIC: UDP to port 443',
  'dns-udp': 'another resolver, over UDP',
  'dns-tcp': 'another resolver, over TCP',
  'dns-tls': 'another resolver, over TLS (port 853)',
  'dns-https': 'another resolver, over HTTPS (port 443)',
  'dns-tunnel': 'data in names that the resolver is asked for',
  'dns-private':
    'an allowed name that is an alias (CNAME) of a private address: that of a neighbour',
  'dns-expired': 'an address of an allowed name, after the time of the answer',
  'alias-neighbour': 'a neighbour by an alias that no rule allows',
  'alias-stranger': 'a container of another network with an allowed name as its alias',
  metadata: 'the metadata address of clouds, 169.254.169.254',
  gateway: "the bridge's own address",
  gateway6: "the bridge's own address of IPv6",
  host: 'another address of the host',
  published: 'a port that the host publishes for another container',
  neighbour: 'another container of the network as a hop',
  neighbour6: 'the same over IPv6',
  'neighbour-link': 'its link-local address',
  'other-network': 'a container of another network',
  multicast: 'multicast',
  multicast6: 'multicast of IPv6',
  broadcast: 'broadcast to 255.255.255.255',
  'broadcast-subnet': "broadcast to the network's own address for it",
  icmp: 'data in ICMP echo requests',
  'icmp-allowed': 'ICMP to an address of which a port of TCP is allowed',
  'icmp-answer': 'ICMP answers to no question',
  icmp6: 'data in ICMPv6 echo requests',
  'discovery-out': 'neighbour discovery to an address outside',
  'raw-udp': 'a packet from a packet socket (AF_PACKET)',
  fragments: 'fragments, of which the first alone has the ports',
  'fragments-allowed': 'fragments to an allowed address, the last one first',
  'half-open': 'packets of TCP that belong to no connection, with data',
  'tunnel-ipip': 'IPv4 in IPv4 (protocol 4) to an allowed address',
  'tunnel-6in4': '6in4, 6to4 (protocol 41)',
  'tunnel-gre': 'GRE (protocol 47)',
  sctp: 'SCTP to an allowed address',
  'unknown-protocol': 'a protocol without a name (253)',
  'source-route': 'a source route in the options of IPv4',
  'routing-header': 'a routing header of IPv6',
  loopback: "127.0.0.1 of the host, by the bridge's MAC address",
  'frame-neighbour': 'a frame to the MAC address of a neighbour',
  'frame-all': 'a packet for a neighbour in a frame to all',
  'neighbour-gateway': 'a neighbour as the gateway, by its MAC address',
  'new-route': 'a new route by a neighbour',
  'new-address': 'a new address of its own',
  'source-address': 'the source address of a neighbour',
  'source-hardware': 'the source and MAC address of a neighbour',
  'source-none': 'no source address (0.0.0.0)',
  'source-none6': 'no source address (`::`)',
  'arp-gateway': 'ARP that claims the address of the gateway',
  'arp-padding': 'data behind an ARP request',
  router: 'a router advertisement',
  'discovery-padding': 'data behind a neighbour solicitation',
  vlan: 'frames with the tag of a VLAN',
  'vlan-arp': 'ARP with the tag of a VLAN',
  'unknown-type': 'frames of another type than IP',
  'spanning-tree': 'frames of the spanning tree protocol',
  'group-of-bridges': 'IP in frames to neighbouring bridges (01:80:c2:00:00:0e)',
  vsock: 'AF_VSOCK',
  'abstract-socket': 'an abstract unix socket of the host',
  'io-uring': 'connect(2) through io_uring, without a seccomp filter',
};
/** Those that lead out of no container: nothing of this is a policy's. */
const NEVER_ARRIVES: readonly string[] = [
  ...LEAD_NOWHERE,
  'alias-stranger',
  'vlan-arp',
  'vsock',
  'abstract-socket',
];

const BEGIN = '<!-- written by test/integration/network-bypass.test.ts -->';
const END = '<!-- end -->';

needsRoot('network namespaces and bridges').describe(
  'Ways out of a container with a policy',
  function () {
    this.timeout(300_000);
    let directory: string;
    let host: NetworkHost;
    let internet: Machine;
    let names: ChildProcess;
    const watchers: Watcher[] = [];
    const ways = attacksOf('escapes');

    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'caisson-bypass-'));
      host = await NetworkHost.make(directory);
      internet = await Machine.make('internet');
      const { ip: closed, ip6: closed6 } = LAB.closed;
      await internet.ip(
        `link add eth0 type veth peer name uplink netns ${host.namespace.pid}`,
        'link set eth0 up',
        ...[OPEN, closed, EXPIRED].map((address) => `address add ${address}/24 dev eth0`),
        `address add ${closed6}/64 dev eth0 nodad`,
        `address add ${METADATA}/32 dev eth0`,
      );
      for (const line of [
        'link set uplink up',
        `address add ${LAB.host}/24 dev uplink`,
        'address add 2001:db8:1::1/64 dev uplink nodad',
        `route add ${METADATA}/32 dev uplink`,
      ])
        await host.namespace.run('ip', ...line.split(' '));
      await internet.serve('tcp', 80);
      const records = {
        'private.example': ['inside.example'],
        'inside.example': [LAB.neighbour.ip],
        'expired.example': [EXPIRED],
        'allowed.example': ['203.0.113.40'],
      };
      const [program = '', ...args] = [...internet.namespace.within, process.execPath];
      names = spawn(program, [...args, fixture('internet-names'), OPEN, JSON.stringify(records)], { stdio: ['pipe', 'pipe', 'inherit'] }); // prettier-ignore
      await new Promise((resolve) => names.stdout?.once('data', resolve));
      names.stdout?.resume();
      await host.createNetwork('web', '10.77.0.0/24', 'fd00:77::/64');
      await host.createNetwork('other', '10.78.0.0/24', 'fd00:78::/64');
      const neighbour = await started({ network: 'web', ip: LAB.neighbour.ip, ip6: LAB.neighbour.ip6, ports: ['8080:4001', '8080:4001/udp'], networkAliases: ['alias.example'] }); // prettier-ignore
      const stranger = await started({
        network: 'other',
        ip: LAB.stranger,
        networkAliases: ['allowed.example'],
      });
      const within = async (id: string) => {
        const { state } = await host.inspect(id);
        return ['nsenter', '--target', String(state.pid), '--net', '--'];
      };
      watchers.push(
        await Watcher.start(internet.namespace.within, 'watch', 'eth0'),
        await Watcher.start(await within(neighbour), 'watch', 'eth0'),
        await Watcher.start(await within(stranger), 'watch', 'eth0'),
        await Watcher.start(host.namespace.within, 'listen', '4001'),
        await Watcher.start(host.namespace.within, 'abstract', LAB.abstract),
      );
    });
    after(async () => {
      for (const watcher of watchers) watcher.end();
      names.stdin?.end();
      await host.end();
      await internet.end();
      await rm(directory, { recursive: true, force: true });
    });

    async function started(options: RunOptions): Promise<string> {
      const id = await host.create(['sleep', '1000'], options);
      await host.onContainer(id, 'start');
      return id;
    }
    const attacker = (network: RunOptions['network'], securityOpt: string[] = []) =>
      started({
        network,
        ip: LAB.own.ip,
        ip6: LAB.own.ip6,
        capAdd: ['NET_ADMIN'],
        securityOpt,
        dns: [OPEN],
      });
    const attack = async (id: string, ...attacks: string[]) => {
      const { stdout, stderr } = await host.exec(id, ...attacking('escapes', { ...LAB, attacks }));
      if (stderr !== '') throw new Error(stderr);
      return JSON.parse(stdout) as Record<string, string[]>;
    };
    const arrived = (traces: Record<string, string[]>) =>
      Object.keys(traces).filter((way) => watchers.some((each) => each.has(traces[way] ?? [])));
    const allowedAnswers = async (id: string) => {
      const script = `require('net').connect(80, '${OPEN}').on('data', (text) => console.log(String(text)))`;
      return (await host.exec(id, 'node', '-e', script)).stdout;
    };
    /** What the rules have counted of the container so far. */
    const counted = async (id: string) => {
      const tables = await host.namespace.run('nft', 'list', 'ruleset');
      const short = id.slice(0, 12);
      const parts = tables.split(/^\t(?=set|map|chain)/m).filter((part) => part.includes(short));
      const packets = parts
        .flatMap((part) => [...part.matchAll(/counter packets (\d+)/g)])
        .reduce((sum, [, count]) => sum + Number(count), 0);
      const { denied = [] } = await host.inspect(id);
      const queries = denied.filter(({ protocol }) => protocol === 'dns');
      return queries.reduce((sum, { count }) => sum + count, packets);
    };
    const remove = (id: string) => host.onContainer(id, 'remove', { force: true });

    it('Each has a name in the table', () => {
      expect(ways).to.deep.equal(Object.keys(WAYS));
      expect(ways.length).to.be.greaterThan(25);
    });

    it('None leads out, and each is counted that the kernel knows the container of', async () => {
      const open = ['private.example', 'expired.example', 'allowed.example'];
      const policy = { name: 'web', allow: [`${OPEN}:80/tcp`, ...open] };
      const counts: Record<string, boolean> = {};
      const traces: Record<string, string[]> = {};
      const tried = async (container: string, way: string) => {
        const before = await counted(container);
        Object.assign(traces, await attack(container, way));
        counts[way] = (await counted(container)) > before;
      };
      const id = await attacker(policy);
      expect(await allowedAnswers(id)).to.match(/^internet/);
      const found = await host.cli('exec', id, 'getent', 'ahostsv4', 'expired.example');
      expect(found.stdout).to.include(EXPIRED);
      const set = `names4-${id.slice(0, 12)}`;
      const opened = () => host.namespace.run('nft', 'list', 'set', 'inet', 'caisson', set);
      expect(await opened()).to.include(EXPIRED);
      for (const way of ways) if (way !== 'io-uring' && way !== 'dns-expired') await tried(id, way);
      // An address is open for a minute at least.
      await eventually(async () => expect(await opened()).not.to.include(EXPIRED), 90_000);
      await tried(id, 'dns-expired');
      expect(await allowedAnswers(id)).to.match(/^internet/);
      await remove(id);
      const free = await attacker(policy, ['seccomp=unconfined']);
      await tried(free, 'io-uring');
      await remove(free);
      // All else that was sent has come by now.
      const out = arrived(traces);
      expect(out).to.deep.equal([]);
      const lines = [
        '| way out | with the policy | counted | without a policy |',
        '|---|---|---|---|',
        ...ways.map((way) => `| ${WAYS[way] ?? ''} | ${out.includes(way) ? '**open**' : 'closed'} | ${counts[way] === true ? 'yes' : 'no'} | ${NEVER_ARRIVES.includes(way) ? 'closed' : 'open'} |`), // prettier-ignore
      ];
      await compare(lines.join('\n'));
    });

    it('Without a policy they do lead out, but for those that no container may use', async () => {
      for (const watcher of watchers) watcher.clear();
      const id = await attacker('web', ['seccomp=unconfined']);
      const traces = await attack(id, ...ways);
      await eventually(() =>
        expect(ways.filter((way) => !arrived(traces).includes(way))).to.have.members(NEVER_ARRIVES),
      );
      await remove(id);
    });

    /** The table in the documentation, or what it is to be. */
    async function compare(table: string): Promise<void> {
      const path = join(repository, 'docs/network-policy.md');
      const text = await readFile(path, 'utf8');
      const [before = '', rest = ''] = text.split(`${BEGIN}\n`);
      const [found = '', after = ''] = rest.split(END);
      if (process.env['CAISSON_RECORD'] === '1')
        await writeFile(path, `${before}${BEGIN}\n${table}\n${END}${after}`);
      else expect(found.trim()).to.equal(table);
    }
  },
);
