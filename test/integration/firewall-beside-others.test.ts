/** What else of a host decides whether packets of containers are forwarded: the kernel's switch, and firewalls of others. */
import { expect } from 'chai';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ForwardedNetwork } from '../../lib/network/firewall/ensure-firewall.js';
import { publishRequest, unpublishRequest } from '../../lib/network/firewall/elements.js';
import type { FirewallWarning } from '../../lib/network/firewall/firewall-warning.js';
import { ADDRESSES, ContainerNetworkLab, HOST, OUTSIDE } from '../support/container-network-lab.js';
import { needsNftables } from '../support/needs.js';
import { Machine } from '../support/network-machine.js';
import { NetworkNamespace } from '../support/network-namespace.js';
import { eventually } from '../support/outside.js';
import { skip } from '../support/skip.js';

const FIXTURE = fileURLToPath(new URL('fixtures/ensure-firewall.js', import.meta.url));
const NO_BUS = 'DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere';
const firewall = needsNftables();
const { a1, a2 } = ADDRESSES;

const network: ForwardedNetwork = {
  bridge: 'caisson0',
  internal: false,
  neighbours: true,
  masquerade: ['ipv4', 'ipv6'],
  families: ['ipv4', 'ipv6'],
};

async function ensure(
  place: NetworkNamespace,
  {
    of = network,
    bus = NO_BUS,
    before = '',
    within = [],
  }: {
    readonly of?: ForwardedNetwork;
    readonly bus?: string;
    readonly before?: string;
    readonly within?: readonly string[];
  } = {},
): Promise<FirewallWarning[]> {
  const command = `${before} exec env '${bus}' '${process.execPath}' '${FIXTURE}' ensure '${JSON.stringify(of)}'`;
  return JSON.parse(await place.run(...within, 'sh', '-c', command)) as FirewallWarning[];
}

function remove(place: NetworkNamespace): Promise<string> {
  return place.run(process.execPath, FIXTURE, 'remove', JSON.stringify(network));
}

async function nft(place: NetworkNamespace, rules: string): Promise<void> {
  await place.run('sh', '-c', `nft -f - <<'END'\n${rules}\nEND`);
}

firewall.describe('Forwarding', () => {
  let place: NetworkNamespace;
  beforeEach(async () => {
    place = await NetworkNamespace.make();
    for (const key of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) await set(key, 0);
  });
  afterEach(() => place.end());

  const set = (key: string, value: number) =>
    place.run('sh', '-c', `echo ${value} > /proc/sys/net/${key}`);
  const get = async (key: string) => (await place.run('cat', `/proc/sys/net/${key}`)).trim();
  const closed = () => place.run('nft', 'list', 'set', 'inet', 'caisson', 'closed');

  it('It is switched on for the families of the network, and closed for all others', async () => {
    expect(await ensure(place, { of: { ...network, families: ['ipv4'] } })).to.deep.equal([]);
    expect(await get('ipv4/ip_forward')).to.equal('1');
    expect(await get('ipv6/conf/all/forwarding')).to.equal('0');
    expect(await closed()).to.include('elements = { ipv4 }');
    expect(await ensure(place)).to.deep.equal([]);
    expect(await get('ipv6/conf/all/forwarding')).to.equal('1');
    expect(await closed()).to.include('elements = { ipv4, ipv6 }');
  });

  it('It is left open where the host did forward before, and off for an internal network', async () => {
    await ensure(place, { of: { ...network, internal: true } });
    expect(await get('ipv4/ip_forward')).to.equal('0');
    for (const key of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) await set(key, 1);
    await ensure(place);
    expect(await closed()).to.not.include('elements');
  });

  it('Interfaces that have their routes from advertisements keep them', async () => {
    await place.run('ip', 'link', 'add', 'eth0', 'type', 'bridge');
    await place.run('ip', 'link', 'add', 'eth1', 'type', 'bridge');
    await set('ipv6/conf/eth0/accept_ra', 1);
    await set('ipv6/conf/eth1/accept_ra', 0);
    await ensure(place);
    expect(await get('ipv6/conf/eth0/accept_ra')).to.equal('2');
    expect(await get('ipv6/conf/eth1/accept_ra')).to.equal('0');
  });

  it('That it cannot be switched on is a warning with the command that does it', async () => {
    // As in a container without more rights.
    const warnings = await ensure(place, {
      before: 'mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys;',
      within: ['unshare', '--mount'],
    });
    expect(warnings.map(({ hint }) => hint)).to.deep.equal([
      'as root of the machine: sysctl -w net.ipv4.ip_forward=1',
      'as root of the machine: sysctl -w net.ipv6.conf.all.forwarding=1',
    ]);
  });

  it('The table is made again by the next start after it was flushed or changed', async () => {
    await ensure(place);
    const list = () => place.run('nft', 'list', 'table', 'inet', 'caisson');
    const whole = await list();
    for (const damage of [
      'flush ruleset',
      'flush chain inet caisson forward',
      'add rule inet caisson forward accept',
      'flush set inet caisson networks',
    ]) {
      await place.run('nft', damage);
      expect(await ensure(place)).to.deep.equal([]);
      // Which families are closed is not known any more: the host forwards, for all that can be seen.
      const closed = /set closed \{.*?\n\t\}/s;
      expect((await list()).replace(closed, ''), damage).to.equal(whole.replace(closed, ''));
    }
  });

  it('A host that did not forward before is no router between its other networks', async () => {
    const [host, left, right] = await Promise.all(
      ['host', 'left', 'right'].map((name) => Machine.make(name)),
    );
    if (host === undefined || left === undefined || right === undefined) throw new Error('none');
    try {
      await host.sysctl('net/ipv4/ip_forward', 0);
      for (const [machine, number] of [
        [left, 1],
        [right, 2],
      ] as const) {
        await host.connect(`eth${number}`, machine, 'eth0');
        await host.ip(`address add 198.51.${number}.1/24 dev eth${number}`);
        await machine.ip(
          `address add 198.51.${number}.2/24 dev eth0`,
          `route add default via 198.51.${number}.1`,
        );
      }
      await right.serve('tcp', 80);
      await ensure(host.namespace);
      expect(await host.ask('tcp', '198.51.2.2', 80)).to.equal('right 198.51.2.1');
      expect(await left.askInVain('tcp', '198.51.2.2', 80)).to.equal('timeout');
      await host.namespace.run('nft', 'flush set inet caisson closed');
      expect(await left.ask('tcp', '198.51.2.2', 80)).to.equal('right 198.51.1.2');
    } finally {
      await Promise.all([host, left, right].map((each) => each.end()));
    }
  });
});

/** As Docker makes it, with iptables(8). */
const DOCKER = ['ip', 'ip6']
  .map(
    (family) => `
table ${family} filter {
  chain DOCKER-USER { counter return; }
  chain DOCKER-FORWARD { oifname "docker0" ct state related,established counter accept; iifname "docker0" counter accept; }
  chain FORWARD {
    type filter hook forward priority filter; policy drop;
    counter jump DOCKER-USER
    counter jump DOCKER-FORWARD
  }
}`,
  )
  .join('\n');

/** The end of the chain of firewalld, for a bridge in no zone. */
const FIREWALLD = `
table inet firewalld {
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    reject with icmpx admin-prohibited
  }
}`;

firewall.describe('Firewalls of others', () => {
  let lab: ContainerNetworkLab;
  let place: NetworkNamespace;
  before(async function () {
    this.timeout(60_000);
    lab = await ContainerNetworkLab.make();
    place = lab.host.namespace;
  });
  after(() => lab.end());
  afterEach(async () => {
    const tables = await place.run('nft', 'list', 'tables');
    for (const table of tables.trim().split('\n'))
      if (table !== 'table inet caisson') await place.run('nft', `delete ${table}`);
  });

  const outward = async () => [
    await lab.containers.a1.askInVain('tcp', OUTSIDE.ipv4, 80),
    await lab.containers.a1.askInVain('tcp', OUTSIDE.ipv6, 80),
  ];
  const REACHED = [`outside ${HOST.ipv4}`, `outside ${HOST.ipv6}`];

  it("Docker's chain for rules of others lets packets of the network pass, and no more than ours does", async () => {
    await nft(place, DOCKER);
    const before = await place.run('nft', '-s', 'list', 'table', 'ip', 'filter');
    expect(await outward()).to.deep.equal(['timeout', 'timeout']);
    for (let time = 0; time < 2; time++) expect(await ensure(place)).to.deep.equal([]);
    expect(await outward()).to.deep.equal(REACHED);
    const ports = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] as const;
    await lab.request(publishRequest(a1, ports));
    try {
      expect(await lab.outside.ask('tcp', HOST.ipv4, 8080)).to.equal(`a1 ${OUTSIDE.ipv4}`);
      expect(await lab.outside.ask('tcp', HOST.ipv6, 8080)).to.equal(`a1 ${OUTSIDE.ipv6}`);
      expect(await lab.outside.askInVain('tcp', a2.ipv4, 80)).to.equal('timeout');
    } finally {
      await lab.request(unpublishRequest(a1, ports));
    }
    const rules = await place.run('nft', '-s', 'list', 'chain', 'ip', 'filter', 'DOCKER-USER');
    expect(rules.match(/"caisson0" counter accept/g)).to.have.length(2);
    if (spawnSync('iptables', ['--version']).error === undefined)
      expect(await place.run('iptables', '-S', 'DOCKER-USER')).to.match(
        /^-A DOCKER-USER -i caisson0 .*-j ACCEPT$/m,
      );
    await remove(place);
    expect(await place.run('nft', '-s', 'list', 'table', 'ip', 'filter')).to.equal(before);
    await ensure(place);
  });

  it('A policy that drops, without a place for rules of others, is a warning with the remedy', async () => {
    const iptables = 'chain FORWARD { type filter hook forward priority filter; policy drop; }';
    await nft(place, `table ip filter { ${iptables}\n }`);
    await nft(place, 'table inet site { chain passing { type filter hook forward priority 5; policy drop; }\n }'); // prettier-ignore
    const warnings = await ensure(place);
    expect(warnings.map(({ message }) => message)).to.deep.equal([
      'packets of containers are not forwarded: the policy of the chain FORWARD of the table ip filter is to drop them',
      'packets of containers are not forwarded: the policy of the chain passing of the table inet site is to drop them',
    ]);
    expect(warnings[0]?.hint).to.include('iptables -I FORWARD -i caisson0 -j ACCEPT');
    for (const command of warnings[1]?.hint.split('; ') ?? []) await place.run('sh', '-c', command);
    await place.run('nft', 'delete table ip filter');
    expect((await outward())[0]).to.equal(REACHED[0]);
    expect(await ensure(place, { of: { ...network, internal: true } })).to.deep.equal([]);
  });

  it('A firewalld that cannot be asked is a warning with the remedy', async () => {
    await nft(place, FIREWALLD);
    expect((await outward())[0]).to.be.oneOf(['EHOSTUNREACH', 'EACCES', 'timeout']);
    const [warning, ...others] = await ensure(place);
    expect(others).to.deep.equal([]);
    expect(warning?.message).to.match(/^firewalld may not forward packets of containers: .+/);
    expect(warning?.hint).to.equal('firewall-cmd --zone=trusted --add-interface=caisson0');
  });

  it('A real firewalld takes the bridge into its zone of trust', async function () {
    this.timeout(60_000);
    for (const program of ['firewalld', 'dbus-daemon'])
      if (spawnSync(program, ['--version']).error !== undefined)
        skip(this, `${program} is not installed`);
    const directory = await mkdtemp(join(tmpdir(), 'caisson-firewalld-'));
    const bus = `unix:path=${directory}/bus`;
    const start = (...command: readonly string[]) => {
      const [program = '', ...args] = [...place.within, ...command];
      return spawn(program, args, {
        stdio: 'ignore',
        env: { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: bus },
      });
    };
    const daemons: ReturnType<typeof start>[] = [];
    try {
      await writeFile(`${directory}/bus.conf`, busConfiguration(bus));
      await cp('/etc/firewalld', `${directory}/etc`, { recursive: true });
      daemons.push(start('dbus-daemon', '--nofork', `--config-file=${directory}/bus.conf`));
      daemons.push(
        start('firewalld', '--nofork', '--nopid', `--system-config=${directory}/etc`, `--log-file=${directory}/log`), // prettier-ignore
      );
      await eventually(async () => {
        const tables = await place.run('nft', 'list', 'ruleset');
        expect(tables).to.match(/chain filter_FORWARD \{.*admin-prohibited/s);
      }, 40_000);
      expect((await outward())[0]).to.not.equal(REACHED[0]);
      for (let time = 0; time < 2; time++)
        await eventually(async () => {
          expect(await ensure(place, { bus: `DBUS_SYSTEM_BUS_ADDRESS=${bus}` })).to.deep.equal([]);
        });
      expect(await outward()).to.deep.equal(REACHED);
      // The host's own services, such as its name server for containers.
      expect(await lab.containers.a1.ask('tcp', '10.80.0.1', 80)).to.equal(`host ${a1.ipv4}`);
    } finally {
      for (const daemon of daemons.reverse()) {
        if (daemon.exitCode === null && daemon.kill('SIGTERM')) await once(daemon, 'exit');
      }
      await rm(directory, { recursive: true });
    }
  });
});

/** All users may do all: it is a bus of the test alone. */
function busConfiguration(address: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>${address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
`;
}
