/** The firewall of container networks: what nft(8) shows of it, and what packets do. */
import { expect } from 'chai';
import type { CaissonError } from '../../lib/base/errors.js';
import {
  networkRequest,
  publishRequest,
  removeAnyAt,
  removeNetworkRequest,
  unpublishRequest,
} from '../../lib/network/firewall/elements.js';
import { policyRequest } from '../../lib/network/policy/policy-requests.js';
import { normalizePolicy } from '../../lib/network/policy/rules.js';
import { unpublishAddresses } from '../../lib/network/firewall/unpublish-addresses.js';
import type { PublishedPort } from '../../lib/network/firewall/port-bindings.js';
import { TABLE, tableRequest } from '../../lib/network/firewall/ruleset.js';
import { setBridgePort } from '../../lib/network/netlink/bridge-port.js';
import { encodeRequest, NETLINK } from '../../lib/network/netlink/message.js';
import { requestNetlink } from '../../lib/network/netlink/request.js';
import { ADDRESSES, ContainerNetworkLab, HOST, OUTSIDE } from '../support/container-network-lab.js';
import { needsNftables } from '../support/needs.js';
import { NetworkNamespace } from '../support/network-namespace.js';
import { rejectionOf } from '../support/rejection.js';
import { skip } from '../support/skip.js';

const firewall = needsNftables();
const { a1, a2, b1, i1, i2 } = ADDRESSES;
/** From each beginning to the next one. */
function batchesIn(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let begin = 0, at = 0; at < bytes.length;) {
    const end = at + bytes.readUInt32LE(at);
    if (bytes.readUInt16LE(at + 4) === NFNL_MSG_BATCH_END) {
      found.push(bytes.subarray(begin, end));
      begin = end;
    }
    at = end;
  }
  return found;
}
const NFNL_MSG_BATCH_END = 17;

const REFUSED = ['timeout', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL'];

firewall.describe('The firewall and packets', () => {
  let lab: ContainerNetworkLab;
  before(async function () {
    this.timeout(60_000);
    lab = await ContainerNetworkLab.make();
  });
  after(async () => {
    await lab.end();
  });

  const published: [typeof a1, PublishedPort[]][] = [];
  const publish = async (endpoint: typeof a1, ...ports: PublishedPort[]) => {
    await lab.request(publishRequest(endpoint, ports));
    published.push([endpoint, ports]);
  };
  afterEach(async () => {
    for (const [endpoint, ports] of published.splice(0))
      await lab.request(unpublishRequest(endpoint, ports));
  });
  const tcp = (hostPort: number, hostIp?: string): PublishedPort => ({
    hostIp,
    hostPort,
    containerPort: 80,
    protocol: 'tcp',
  });

  type Question = readonly [
    from: 'outside' | keyof typeof ADDRESSES,
    protocol: 'tcp' | 'udp',
    address: string,
    port: number,
  ];
  const noneAnswers = async (...questions: readonly Question[]) => {
    const machines = { ...lab.containers, outside: lab.outside };
    const answers = questions.map(async ([from, protocol, address, port]) => {
      const answer = await machines[from].askInVain(protocol, address, port);
      return `${from} asks ${address} ${port}: ${answer}`;
    });
    expect(await Promise.all(answers)).to.deep.equal(
      questions.map(([from, , address, port]) => `${from} asks ${address} ${port}: timeout`),
    );
  };

  it('A container reaches the outside with the address of the host, over IPv4 and IPv6', async () => {
    const container = lab.containers.a1;
    for (const protocol of ['tcp', 'udp'] as const) {
      expect(await container.ask(protocol, OUTSIDE.ipv4, 80)).to.equal(`outside ${HOST.ipv4}`);
      expect(await container.ask(protocol, OUTSIDE.ipv6, 80)).to.equal(`outside ${HOST.ipv6}`);
    }
  });

  it('Without masquerade a container has its own address outside', async () => {
    const network = { bridge: 'cai-b', internal: false, neighbours: true } as const;
    await lab.request(networkRequest({ ...network, masquerade: ['ipv6'] }));
    try {
      const container = lab.containers.b1;
      expect(await container.ask('tcp', OUTSIDE.ipv4, 80)).to.equal(`outside ${b1.ipv4}`);
      expect(await container.ask('tcp', OUTSIDE.ipv6, 80)).to.equal(`outside ${HOST.ipv6}`);
    } finally {
      await lab.request(networkRequest({ ...network, masquerade: ['ipv4', 'ipv6'] }));
    }
  });

  it('A published port is reached from outside, with the address of the client', async () => {
    await publish(a1, tcp(8080), { ...tcp(8081), protocol: 'udp' });
    const { outside } = lab;
    expect(await outside.ask('tcp', HOST.ipv4, 8080)).to.equal(`a1 ${OUTSIDE.ipv4}`);
    expect(await outside.ask('tcp', HOST.ipv6, 8080)).to.equal(`a1 ${OUTSIDE.ipv6}`);
    expect(await outside.ask('udp', HOST.ipv4, 8081)).to.equal(`a1 ${OUTSIDE.ipv4}`);
    expect(await outside.ask('udp', HOST.ipv6, 8081)).to.equal(`a1 ${OUTSIDE.ipv6}`);
    expect(await outside.askInVain('udp', HOST.ipv4, 8080)).to.be.oneOf(REFUSED);
  });

  it('The host reaches a published port by each of its addresses, but ::1 refuses', async () => {
    await publish(a1, tcp(8080), { ...tcp(8081), protocol: 'udp' });
    const { host } = lab;
    for (const address of [HOST.ipv4, HOST.ipv6, '10.81.0.1', '127.0.0.1', '127.0.0.2'])
      for (const [protocol, port] of [
        ['tcp', 8080],
        ['udp', 8081],
      ] as const)
        expect(await host.ask(protocol, address, port), address).to.match(/^a1 /);
    expect(await host.ask('tcp', '::1', 8080)).to.equal('ECONNREFUSED');
  });

  for (const called of [true, false])
    it(`A container reaches a port that is published by itself, by a neighbour, and by another network: the bridge ${called ? 'calls' : 'does not call'} the firewall`, async function () {
      if (!(await lab.callFirewallFromBridges(called))) skip(this, 'no br_netfilter');
      try {
        await publish(a1, tcp(8080), { ...tcp(8081), protocol: 'udp' });
        for (const name of ['a1', 'a2', 'b1'] as const)
          for (const address of [HOST.ipv4, HOST.ipv6]) {
            expect(await lab.containers[name].ask('tcp', address, 8080), name).to.match(/^a1 /);
            expect(await lab.containers[name].ask('udp', address, 8081), name).to.match(/^a1 /);
          }
        expect(await lab.containers.a1.ask('tcp', a2.ipv4, 80)).to.equal(`a2 ${a1.ipv4}`);
        expect(await lab.containers.a1.ask('udp', a2.ipv6, 80)).to.equal(`a2 ${a1.ipv6}`);
      } finally {
        await lab.callFirewallFromBridges(true);
      }
    });

  it('A port of one address is not published on the others', async () => {
    await publish(a1, tcp(8080, HOST.ipv4), tcp(8081, '::'), tcp(8082, '0.0.0.0'));
    const { outside, host } = lab;
    expect(await outside.ask('tcp', HOST.ipv4, 8080)).to.match(/^a1 /);
    expect(await host.askInVain('tcp', '127.0.0.1', 8080)).to.be.oneOf(REFUSED);
    expect(await outside.askInVain('tcp', HOST.ipv6, 8080)).to.be.oneOf(REFUSED);
    expect(await outside.ask('tcp', HOST.ipv6, 8081)).to.match(/^a1 /);
    expect(await outside.askInVain('tcp', HOST.ipv4, 8081)).to.be.oneOf(REFUSED);
    expect(await outside.ask('tcp', HOST.ipv4, 8082)).to.match(/^a1 /);
    expect(await outside.askInVain('tcp', HOST.ipv6, 8082)).to.be.oneOf(REFUSED);
  });

  it('A port of 127.0.0.1 is reached from the host alone, whatever routes others have', async () => {
    await publish(a1, tcp(8080, '127.0.0.1'));
    const { host, outside, containers } = lab;
    await host.serve('tcp', 8099, '127.0.0.1');
    expect(await host.ask('tcp', '127.0.0.1', 8080)).to.match(/^a1 /);
    expect(await host.ask('tcp', '127.0.0.1', 8099)).to.equal('host 127.0.0.1');
    expect(await host.askInVain('tcp', HOST.ipv4, 8080)).to.be.oneOf(REFUSED);
    // The host counts: these machines would not take an answer from 127.0.0.1.
    await lab.nft('add table inet seen');
    for (const [name, hook, priority] of [
      ['arrived', 'prerouting', -400],
      ['received', 'input', 0],
    ] as const) {
      await lab.nft(
        `add chain inet seen ${name} { type filter hook ${hook} priority ${priority}; }`,
      );
      await lab.nft(`add rule inet seen ${name} iifname != "lo" ip daddr 127.0.0.1 counter`);
    }
    const seen = async (name: 'arrived' | 'received') =>
      Number(/packets (\d+)/.exec(await lab.nft('list', 'chain', 'inet', 'seen', name))?.[1]);
    const others = [
      [outside, HOST.ipv4],
      [containers.a2, '10.80.0.1'],
    ] as const;
    for (const [machine, gateway] of others) {
      const before = await seen('arrived');
      await machine.sysctl('net/ipv4/conf/all/route_localnet', 1);
      await machine.ip(
        'route del local 127.0.0.0/8 dev lo table local',
        'route del local 127.0.0.1 dev lo table local',
        `route add 127.0.0.0/8 via ${gateway} dev eth0`,
      );
      try {
        for (const port of [8080, 8099])
          expect(await machine.askInVain('tcp', '127.0.0.1', port), machine.name).to.equal(
            'timeout',
          );
        expect(await seen('arrived'), machine.name).to.be.greaterThan(before + 1);
        expect(await seen('received'), machine.name).to.equal(0);
        if (machine === outside) continue;
        // What the rules are for: without them the bridge's route_localnet lets such packets in.
        await lab.nft('flush chain inet caisson incoming');
        await machine.askInVain('tcp', '127.0.0.1', 8099);
        expect(await seen('received')).to.be.greaterThan(0);
      } finally {
        await machine.ip(
          'route del 127.0.0.0/8',
          'route add local 127.0.0.1 dev lo table local',
          'route add local 127.0.0.0/8 dev lo table local src 127.0.0.1',
        );
      }
    }
    await lab.nft('delete table inet seen');
    await lab.request(tableRequest());
  });

  it('A container reaches its neighbours, but no other network', async () => {
    expect(await lab.containers.a1.ask('tcp', a2.ipv4, 80)).to.equal(`a2 ${a1.ipv4}`);
    expect(await lab.containers.a1.ask('tcp', a2.ipv6, 80)).to.equal(`a2 ${a1.ipv6}`);
    await noneAnswers(
      ...[b1.ipv4, b1.ipv6, i1.ipv4, i1.ipv6].map((address) => ['a1', 'tcp', address, 80] as const),
      ['b1', 'udp', a1.ipv4, 80],
    );
  });

  it('Neighbours that may not reach each other reach the host and the outside alone', async () => {
    const network = { bridge: 'caisson0', internal: false, masquerade: ['ipv4', 'ipv6'] } as const;
    const isolate = async (isolated: boolean) => {
      await lab.request(networkRequest({ ...network, neighbours: !isolated }));
      const ports = ['veth-a1', 'veth-a2'].map((name) => setBridgePort(name, { isolated }));
      await lab.request(encodeRequest(NETLINK.route, ports));
    };
    const detour = 'route add 10.80.0.3/32 via 10.80.0.1';
    await isolate(true);
    try {
      await noneAnswers(['a1', 'tcp', a2.ipv4, 80], ['a1', 'udp', a2.ipv6, 80]);
      // By the host, which forwards.
      await lab.containers.a1.ip(detour);
      await noneAnswers(['a1', 'tcp', a2.ipv4, 80], ['a1', 'udp', a2.ipv4, 80]);
      expect(await lab.containers.a1.ask('tcp', OUTSIDE.ipv6, 80)).to.equal(`outside ${HOST.ipv6}`);
      expect(await lab.containers.a1.ask('tcp', '10.80.0.1', 80)).to.equal(`host ${a1.ipv4}`);
      expect(await lab.host.ask('tcp', a1.ipv4, 80)).to.equal('a1 10.80.0.1');
    } finally {
      await isolate(false);
      await lab.containers.a1.ip(detour.replace('add', 'del'));
    }
    expect(await lab.containers.a1.ask('tcp', a2.ipv4, 80)).to.equal(`a2 ${a1.ipv4}`);
  });

  it('An unpublished port is not reached from outside by a route to the container', async () => {
    await publish(a1, tcp(8080));
    await noneAnswers(
      ['outside', 'tcp', a1.ipv4, 80],
      ['outside', 'udp', a1.ipv6, 80],
      ['outside', 'tcp', a2.ipv6, 80],
      ['outside', 'udp', a2.ipv4, 80],
    );
    // The host itself may: it is the containers' gateway.
    expect(await lab.host.ask('tcp', a1.ipv4, 80)).to.equal('a1 10.80.0.1');
  });

  it('A container of an internal network reaches its neighbours and the host, and nothing else', async () => {
    await publish(a1, tcp(8080));
    await publish(i1, tcp(8090));
    const { containers, host } = lab;
    expect(await containers.i1.ask('tcp', i2.ipv4, 80)).to.equal(`i2 ${i1.ipv4}`);
    expect(await containers.i1.ask('tcp', i2.ipv6, 80)).to.equal(`i2 ${i1.ipv6}`);
    expect(await containers.i1.ask('tcp', '10.82.0.1', 80)).to.equal(`host ${i1.ipv4}`);
    expect(await host.ask('tcp', i1.ipv6, 80)).to.equal('i1 fd00:82::1');
    await noneAnswers(
      ...[OUTSIDE.ipv4, OUTSIDE.ipv6, a1.ipv4, b1.ipv6].map(
        (address) => ['i1', 'tcp', address, 80] as const,
      ),
      ['i1', 'tcp', HOST.ipv4, 8080],
      ['outside', 'tcp', i1.ipv4, 80],
      ['outside', 'udp', i1.ipv6, 80],
      ['outside', 'tcp', HOST.ipv4, 8090],
      ['a1', 'tcp', HOST.ipv4, 8090],
    );
  });

  it('Thousands of ports are published and removed at once, and each is reached', async () => {
    const ports = Array.from({ length: 8000 }, (_, at) => tcp(20_000 + at));
    await publish(a1, ...ports);
    for (const port of [20_000, 20_499, 27_999])
      expect(await lab.outside.ask('tcp', HOST.ipv6, port)).to.equal(`a1 ${OUTSIDE.ipv6}`);
    await lab.request(unpublishRequest(a1, ports));
    expect(await lab.outside.askInVain('tcp', HOST.ipv4, 20_499)).to.be.oneOf(REFUSED);
    expect(await lab.nft('list', 'table', 'inet', 'caisson')).to.not.include('20499');
  });

  it('A connection survives that the table is sent again, and its rules are whole all the time', async () => {
    await publish(a1, tcp(8080));
    const before = await lab.nft('list', 'table', 'inet', 'caisson');
    const asking = Array.from({ length: 40 }, () => lab.outside.ask('tcp', HOST.ipv4, 8080));
    await Promise.all(Array.from({ length: 4 }, () => lab.request(tableRequest())));
    expect(new Set(await Promise.all(asking))).to.deep.equal(new Set([`a1 ${OUTSIDE.ipv4}`]));
    expect(await lab.nft('list', 'table', 'inet', 'caisson')).to.equal(before);
  });
});

firewall.describe('The table of the firewall', () => {
  let place: NetworkNamespace;
  beforeEach(async () => {
    place = await NetworkNamespace.make();
  });
  afterEach(() => place.end());

  const request = (each: Parameters<typeof requestNetlink>[0]) =>
    requestNetlink(each, { namespace: place.path });
  const shown = () => place.run('nft', 'list', 'table', TABLE.family, TABLE.name);
  const network = {
    bridge: 'caisson0',
    internal: false,
    neighbours: true,
    masquerade: ['ipv4', 'ipv6'],
  } as const;
  const endpoint = { ipv4: '10.0.0.2', ipv6: 'fd00::2' };
  const port = { hostPort: 8080, containerPort: 80, protocol: 'tcp' } as const;

  it('Each rule is shown by nft(8) as its message says it, and each chain', async () => {
    await request(tableRequest());
    const lines = (await shown()).split('\n').map((line) => line.trim());
    // What nft(8) does not repeat, as the next words say it, too.
    const shorter = (line: string) =>
      line.replace(/^meta nfproto ipv[46] (?=dnat|iifname|meta nfproto)/, '');
    const rules = tableRequest()
      .text.split('\n')
      .flatMap((line) => /^add rule inet caisson [\w-]+ (.+)$/.exec(line)?.[1] ?? []);
    expect(rules).to.have.length.greaterThan(15);
    const listed = lines.filter((line) =>
      /(accept|drop|masquerade|return|reject with .+|@\w+)$/.test(line),
    );
    expect(listed).to.deep.equal(rules.map(shorter));
    expect(lines.filter((line) => line.startsWith('type ') && line.includes('hook'))).to.deep.equal(
      [
        'type filter hook prerouting priority mangle; policy accept;',
        'type nat hook prerouting priority dstnat; policy accept;',
        'type nat hook output priority -100; policy accept;',
        'type filter hook forward priority filter; policy accept;',
        'type nat hook postrouting priority srcnat; policy accept;',
      ],
    );
  });

  it('What nft(8) shows can be loaded by it, and is then shown the same', async () => {
    await request(tableRequest());
    await request(networkRequest(network));
    await request(publishRequest(endpoint, [port, { ...port, hostIp: '::1', protocol: 'sctp' }]));
    const sources = Object.values(endpoint).map((address) => ({ bridge: 'caisson0', address }));
    const rules = {
      allow: ['10.0.0.0/8:5432', '*.example.org'],
      deny: ['10.1.0.0/16', '[fd01::]:1-9'],
    };
    for (const [shortId, otherwise] of [
      ['0a0a0a0a0a0a', 'allow'],
      ['0b0b0b0b0b0b', 'deny'],
    ] as const)
      // prettier-ignore
      await request(
        policyRequest(
          { shortId, sources: shortId.startsWith('0a') ? sources : [] },
          normalizePolicy({ ...rules, default: otherwise }),
        ),
      );
    const before = await shown();
    for (const line of [
      'elements = { "caisson0" }',
      'elements = { "caisson0" . "caisson0" }',
      'elements = { tcp . 8080 : 10.0.0.2 . 80 }',
      'elements = { ::1 . sctp . 8080 : fd00::2 . 80 }',
    ])
      expect(before).to.include(line);
    await place.run(
      'sh',
      '-c',
      'nft list ruleset > /dev/shm/$$ && nft flush ruleset && nft -f /dev/shm/$$; rm /dev/shm/$$',
    );
    expect(await shown()).to.equal(before);
  });

  it('Ports are published and removed any number of times, and also if some are missing', async () => {
    await request(tableRequest());
    const empty = await shown();
    const ports = [port, { ...port, hostPort: 8081 }, { ...port, hostIp: '127.0.0.1' }];
    await request(publishRequest(endpoint, ports));
    await request(publishRequest(endpoint, ports));
    await place.run('nft', 'delete element inet caisson anywhere4 { tcp . 8081 }');
    await request(unpublishRequest(endpoint, ports));
    expect(await shown()).to.equal(empty);
    await request(unpublishRequest(endpoint, ports));
    await request(networkRequest(network));
    await request(networkRequest({ ...network, internal: true }));
    await request(networkRequest(network));
    await request(removeNetworkRequest('caisson0'));
    await request(removeNetworkRequest('caisson0'));
    expect(await shown()).to.equal(empty);
  });

  it('Neither publishing nor removing a port changes what another container has published', async () => {
    await request(tableRequest());
    await request(publishRequest(endpoint, [port]));
    const before = await shown();
    const other = { ipv4: '10.0.0.3' };
    const ports = [{ ...port, hostPort: 8079 }, port];
    for (const make of [publishRequest, unpublishRequest]) {
      const error = await rejectionOf(request(make(other, ports)));
      expect(error).to.include({ code: 'ERR_NETWORK_FAILED' });
      expect(error.message).to.match(/add element inet caisson anywhere4 .* E(BUSY|EXIST)$/);
      expect(await shown()).to.equal(before);
    }
  });

  it('What another container has left at a port gives way, each element by itself', async () => {
    await request(tableRequest());
    const ports = [port, { ...port, hostPort: 8081, hostIp: '127.0.0.1' }];
    const other = { ipv4: '10.0.0.3' };
    const last = { ...port, hostPort: 8082 };
    await request(publishRequest(endpoint, [...ports, { ...port, hostPort: 8083 }]));
    const batches = batchesIn(removeAnyAt(other, [...ports, last]));
    expect(batches).to.have.length(3);
    const errors: (string | undefined)[] = [];
    for (const bytes of batches)
      errors.push(
        await request({ protocol: NETLINK.netfilter, bytes, text: '\n\n' }).then(
          () => undefined,
          ({ errno }: CaissonError) => errno,
        ),
      );
    expect(errors.toSorted()).to.deep.equal(['ENOENT', undefined, undefined]);
    await request(publishRequest(other, [...ports, last]));
    const shownNow = await shown();
    expect(shownNow).to.include('tcp . 8080 : 10.0.0.3 . 80');
    expect(shownNow).to.include('127.0.0.1 . tcp . 8081 : 10.0.0.3 . 80');
    expect(shownNow).to.include('tcp . 8083 : 10.0.0.2 . 80');
  });

  it('What is published to an address is removed, and nothing else', async () => {
    const options = { namespace: place.path };
    await unpublishAddresses(['10.0.0.2'], options); // no table
    await request(tableRequest());
    const other = { ...port, hostPort: 8082 };
    await request(publishRequest({ ipv4: '10.0.0.3' }, [other]));
    const before = await shown();
    await request(
      publishRequest(endpoint, [port, { ...port, hostPort: 8081, hostIp: '127.0.0.1' }]),
    );
    await unpublishAddresses([endpoint.ipv4, endpoint.ipv6], options);
    expect(await shown()).to.equal(before);
  });

  it('Removing elements where there is no table is ENOENT', async () => {
    for (const each of [unpublishRequest(endpoint, [port]), removeNetworkRequest('caisson0')])
      expect(await rejectionOf(request(each))).to.include({ errno: 'ENOENT' });
  });

  it('Many processes make the table at once, and with other rules in it before', async () => {
    await Promise.all(Array.from({ length: 8 }, () => request(tableRequest())));
    const once = await shown();
    await place.run('nft', 'add rule inet caisson forward counter drop comment "older"');
    await request(publishRequest(endpoint, [port]));
    await Promise.all(Array.from({ length: 8 }, () => request(tableRequest())));
    await request(unpublishRequest(endpoint, [port]));
    expect(await shown()).to.equal(once);
  });
});
