/**
 * Containers on bridges. Each test has a network namespace of its own that stands for the host: everything of the engine
 * runs in it, and nothing reaches this machine's networks.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootId } from '../../lib/host/owner.js';
import type { RunOptions } from '../../lib/index.js';
import { pathsBelow, untilNothing } from '../support/leftovers.js';
import { needsRoot } from '../support/needs.js';
import { NetworkHost } from '../support/network-host.js';
import { eventually } from '../support/outside.js';
import { fixture } from '../support/paths.js';

/** All claims of addresses, of all networks. */
const claimsIn = async (directory: string) =>
  (await pathsBelow(join(directory, 'run/networks'))).filter(
    (path) => path.split('/').length === 3,
  );

needsRoot('network namespaces and bridges').describe('Containers on a bridge', function () {
  this.timeout(60_000);
  let directory: string;
  let host: NetworkHost;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caisson-bridge-'));
    host = await NetworkHost.make(directory);
  });
  afterEach(async () => {
    await host.end();
    await rm(directory, { recursive: true, force: true });
  });

  const claims = () => claimsIn(directory);

  it('A container has an interface, an address, and a route, and reaches the host', async () => {
    const { stdout } = await host.run(['sh', '-c', 'ip -o address; ip route; cat /etc/hosts'], {
      network: 'bridge',
    });
    expect(stdout).to.match(/eth0 +inet 172\.17\.0\.2\/16 brd 172\.17\.255\.255/);
    expect(stdout).to.include('default via 172.17.0.1 dev eth0');
    expect(stdout).to.match(/^172\.17\.0\.2\t[0-9a-f]{12}$/m);
    // Without IPv6 in the network, the kernel gives it no address either.
    expect(stdout).not.to.match(/eth0 +inet6/);
    const { stdout: mac } = await host.run(['cat', '/sys/class/net/eth0/address'], {
      network: 'bridge',
    });
    expect(mac.trim()).to.equal('02:42:ac:11:00:03');
    const served = await host.serve('172.17.0.1', 8080, 'from the host');
    const { stdout: hosts } = await host.run(['cat', '/etc/hosts'], {
      network: 'bridge',
      addHost: ['machine:host-gateway'],
    });
    expect(hosts).to.match(/^172\.17\.0\.1\tmachine$/m);
    const { stdout: answer } = await host.run(['node', '-e', get('http://172.17.0.1:8080/')], {
      network: 'bridge',
    });
    served.end();
    expect(answer).to.equal('from the host');
  });

  it('Both ends of its interface are made with one queue, so that none has to be switched off', async () => {
    const { stdout } = await host.run(['ip', '-d', 'link', 'show', 'eth0'], { network: 'bridge' });
    expect(stdout).to.match(/ numtxqueues 1 .*numrxqueues 1 /);
    const running = await host.start(['sleep', '100'], { network: 'bridge' });
    const shown = await host.namespace.run('ip', '-d', 'link', 'show', 'type', 'veth');
    expect(shown).to.match(/ numtxqueues 1 .*numrxqueues 1 /);
    await running.kill();
  });

  it('Two containers reach each other, and nothing is left of them', async () => {
    const server = await host.start(['node', '-e', server8080('hello')], { network: 'bridge' });
    const { stdout } = await host.run(['node', '-e', getWhenThere('http://172.17.0.2:8080/')], {
      network: 'bridge',
    });
    expect(stdout).to.equal('hello');
    // A run is over before everything of it is torn down.
    await eventually(async () => expect(await claims()).to.have.length(1));
    await server.kill();
    await untilNothing(claims);
    await untilNothing(async () => (await host.links()).filter((name) => name.startsWith('ve')));
  });

  it('Starts with the same options have each an address, a name and ports of their own', async () => {
    const options: RunOptions = { network: 'bridge', ports: ['0:80'] };
    const script =
      'hostname; ip -o -4 address show eth0; cat /etc/hosts /sys/class/net/eth0/address';
    const seen = new Set<string>();
    for (let last = 2; last <= 6; last++) {
      const { stdout } = await host.run(['sh', '-c', script], options);
      const [name = ''] = stdout.split('\n', 1);
      expect(stdout)
        .to.include(`inet 172.17.0.${last}/16`)
        .and.to.include(`172.17.0.${last}\t${name}`);
      expect(stdout).to.include(`02:42:ac:11:00:0${last}\n`);
      expect(stdout.match(/172\.17\.0\.\d+(?=\t)/g)).to.have.length(1);
      seen.add(name);
    }
    expect(seen.size).to.equal(5);
    await untilNothing(claims);
    const table = await host.namespace.run('nft', 'list', 'table', 'inet', 'caisson');
    expect(table).not.to.match(/172\.17\.0\.[2-6]/);
  });

  it('A start finds what has changed since another one with the same options', async () => {
    const script = ['sh', '-c', 'ip -o address show eth0'];
    const run = async () => (await host.run(script, { network: 'web' })).stdout;
    await host.createNetwork('web', '10.77.0.0/24');
    expect(await run())
      .to.include('inet 10.77.0.2/24')
      .and.not.to.include('inet6');
    await untilNothing(claims);
    await host.removeNetwork('web');
    await host.createNetwork('web', '10.78.0.0/24', 'fd00:78::/64');
    for (const last of [2, 3])
      expect(await run())
        .to.include(`inet 10.78.0.${last}/24`)
        .and.to.include(`inet6 fd00:78::${last}/64`);
    await untilNothing(claims);
    await host.removeNetwork('web');
    const { code } = await host.refusal(script, { network: 'web' });
    expect(code).to.equal('ERR_NO_SUCH_NETWORK');
  });

  it('A start in a network that does not exist changes nothing of the firewall', async () => {
    const { code } = await host.refusal(['true'], { network: 'nowhere' });
    expect(code).to.equal('ERR_NO_SUCH_NETWORK');
    await host.run(['true'], {}); // what the start had begun has ended
    expect(await host.namespace.run('nft', 'list', 'tables')).to.equal('');
  });

  it('Rules that another program has removed are there again for the next start', async () => {
    const run = async () => host.run(['true'], { network: 'bridge' });
    const listed = async () => host.namespace.run('nft', 'list', 'ruleset');
    await run();
    const tables = (await listed()).match(/^table .*$/gm);
    for (const command of ['flush ruleset', 'flush table inet caisson', 'flush ruleset']) {
      // What they change themselves is not taken for it.
      for (let i = 0; i < 3; i++) await run();
      await host.namespace.run('nft', command);
      await run();
      const rules = await listed();
      expect(rules.match(/^table .*$/gm)).to.deep.equal(tables);
      expect(rules).to.include('masquerade').and.to.include('dnat');
    }
  });

  it('A created network has its own subnet, IPv6, and addresses that can be chosen', async () => {
    await host.createNetwork('web', '10.77.0.0/24', 'fd00:77::/64');
    const { stdout } = await host.run(
      [
        'sh',
        '-c',
        'ip -o address show eth0; ip -6 route; cat /etc/hosts; cat /sys/class/net/eth0/address',
      ],
      { network: 'web', ip: '10.77.0.99', ip6: 'fd00:77::99', macAddress: '02:00:00:00:00:99' },
    );
    expect(stdout).to.include('inet 10.77.0.99/24').and.to.include('inet6 fd00:77::99/64');
    expect(stdout).to.include('default via fd00:77::1 dev eth0');
    expect(stdout)
      .to.match(/^10\.77\.0\.99\t[0-9a-f]{12}$/m)
      .and.to.match(/^fd00:77::99\t/m);
    expect(stdout).to.include('02:00:00:00:00:99');
  });

  it('A published port leads to the container from the host, and is free again after it', async () => {
    const server = await host.start(['node', '-e', server8080('published')], {
      network: 'bridge',
      ports: ['127.0.0.1:8000:8080', '9000:8080'],
    });
    const ask = (url: string) => host.namespace.run(process.execPath, '-e', getWhenThere(url));
    expect(await ask('http://127.0.0.1:8000/')).to.equal('published');
    expect(await ask('http://127.0.0.1:9000/')).to.equal('published');
    expect(await ask('http://172.17.0.1:9000/')).to.equal('published');
    const refused = await host.refusal(['true'], { network: 'bridge', ports: ['9000:80'] });
    expect(refused.code).to.equal('ERR_PORT_IN_USE');
    expect(refused.message).to.include('port is already allocated');
    const family = await host.refusal(['true'], { network: 'bridge', ports: ['[::]:9001:80'] });
    expect(family.code).to.equal('ERR_CONFLICTING_OPTIONS');
    expect(family.message).to.include('[::]:9001:80/tcp: the container has no IPv6 address');
    // What was refused has taken nothing from the one that has it.
    expect(await ask('http://127.0.0.1:9000/')).to.equal('published');
    await server.kill();
    await untilNothing(claims);
    const table = await host.namespace.run('nft', 'list', 'table', 'inet', 'caisson');
    expect(table).not.to.match(/172\.17\.0\.2/);
    const { exitCode } = await host.run(['true'], { network: 'bridge', ports: ['9000:80'] });
    expect(exitCode).to.equal(0);
  });

  it('Containers of a created network find each other by name and alias', async () => {
    await host.createNetwork('web', '10.77.0.0/24', 'fd00:77::/64');
    const server = await host.start(['node', '-e', server8080('by name')], {
      network: 'web',
      networkAliases: ['db'],
    });
    const { stdout } = await host.run(
      [
        'sh',
        '-c',
        `cat /etc/resolv.conf; getent ahosts db; node -e "$0"`,
        getWhenThere('http://db:8080/'),
      ],
      { network: 'web' },
    );
    expect(stdout)
      .to.match(/^nameserver 127\.0\.0\.11$/m)
      .and.to.match(/^options .*ndots:0$/m);
    expect(stdout)
      .to.match(/^10\.77\.0\.2 /m)
      .and.to.match(/^fd00:77::2 /m);
    expect(stdout).to.match(/by name$/);
    await server.kill();
    await untilNothing(claims);
  });

  it('The end of the input is not lost if it comes while the name server is still told of the container', async () => {
    await host.createNetwork('web', '10.77.0.0/24');
    const name = `input-${process.pid}`;
    try {
      const { code, stdout } = await host.cliWith(
        ['timeout', '-k', '1', '20', 'sh', '-c', 'exec "$@" </dev/null', 'sh'],
        ...['run', '-i', '--rm', '--name', name, '--network', 'web'],
        ...['host', 'sh', '-c', 'cat; echo ended'],
      );
      expect([code, stdout]).to.deep.equal([0, 'ended\n']);
    } finally {
      await host.cli('rm', '-f', name);
    }
    await untilNothing(claims);
  });

  it('What is known of a container on a bridge is what the kernel says', async () => {
    await host.createNetwork('web', '10.77.0.0/24', 'fd00:77::/64');
    const id = await host.create(['node', '-e', server8080('found')], {
      name: 'db',
      network: 'web',
      networkAliases: ['Store'],
      macAddress: '02-00-00-00-00-0A',
      ports: ['8080', '127.0.0.1:9001-9003:81', '7000-7002:7000-7002'],
    });
    const before = await host.inspect(id);
    expect(before.networks).to.have.length(1);
    expect(before.networks![0]).to.not.have.property('ipv4');
    expect(before.ports).to.deep.equal([]);
    await host.onContainer(id, 'start');
    const { networks, ports = [], state } = await host.inspect(id);
    expect(networks).to.deep.equal([
      {
        network: 'web',
        networkId: before.networks![0]!.networkId,
        ipv4: '10.77.0.2/24',
        ipv6: 'fd00:77::2/64',
        gateway: '10.77.0.1',
        ipv6Gateway: 'fd00:77::1',
        mac: '02:00:00:00:00:0a',
        aliases: ['store'],
        dnsNames: ['db', 'store', id.slice(0, 12)],
        wanted: {},
        gatewayPriority: 0,
      },
    ]);
    const inside = ['nsenter', '--net', '--target', String(state.pid), 'ip', '-o', 'address'];
    const addresses = await host.namespace.run(...inside);
    expect(addresses).to.include('10.77.0.2/24').and.to.include('fd00:77::2/64');
    // A port of IPv4 and of IPv6 is the same one, which the program answers at.
    const chosen = ports.filter(({ containerPort }) => containerPort === 8080);
    expect(chosen.map(({ hostIp }) => hostIp)).to.deep.equal(['0.0.0.0', '::']);
    const [{ hostPort } = { hostPort: 0 }] = chosen;
    expect(chosen[1]).to.include({ hostPort });
    const url = `http://127.0.0.1:${hostPort}/`;
    expect(await host.namespace.run(process.execPath, '-e', getWhenThere(url))).to.equal('found');
    expect(ports.find(({ containerPort }) => containerPort === 81)).to.deep.equal({
      hostIp: '127.0.0.1',
      hostPort: 9001,
      containerPort: 81,
      protocol: 'tcp',
    });

    expect((await host.cli('port', 'db')).stdout).to.equal(
      [
        '81/tcp -> 127.0.0.1:9001',
        ...[7000, 7001, 7002].flatMap((at) => [
          `${at}/tcp -> 0.0.0.0:${at}`,
          `${at}/tcp -> [::]:${at}`,
        ]),
        `8080/tcp -> 0.0.0.0:${hostPort}`,
        `8080/tcp -> [::]:${hostPort}`,
        '',
      ].join('\n'),
    );
    expect((await host.cli('port', 'db', '7001/tcp')).stdout).to.equal('0.0.0.0:7001\n[::]:7001\n');
    expect(await host.cli('port', 'db', '81/udp')).to.deep.equal({
      code: 1,
      stdout: '',
      stderr: "caisson: No public port '81/udp' published for db\n",
    });
    expect(await host.cli('port', 'db', 'http')).to.deep.equal({
      code: 1,
      stdout: '',
      stderr: 'caisson: invalid port (http)\n',
    });
    expect((await host.cli('port', 'nobody')).code).to.equal(1);
    const unprivileged = (...args: string[]) => host.cliWith(['setpriv', '--bounding-set=-net_admin'], ...args); // prettier-ignore
    expect(await unprivileged('port', 'db')).to.deep.equal({
      code: 1,
      stdout: '',
      stderr: 'caisson: published ports can only be seen with CAP_NET_ADMIN\n',
    });
    const seen = await unprivileged('ps', '--format', '{{.Names}} {{.Networks}} {{.Ports}}');
    expect(seen.stdout).to.equal('db web \n');
    const row = await host.cli('ps', '--format', '{{.Networks}} {{.Ports}}', '-f', 'publish=7002');
    expect(row.stdout).to.equal(
      'web 0.0.0.0:7000-7002->7000-7002/tcp, [::]:7000-7002->7000-7002/tcp, ' +
        `127.0.0.1:9001->81/tcp, 0.0.0.0:${hostPort}->8080/tcp, [::]:${hostPort}->8080/tcp\n`,
    );
    const template = '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.MacAddress}}{{end}}';
    const inspected = await host.cli('inspect', '-f', template, 'db');
    expect(inspected.stdout).to.equal('10.77.0.2 02:00:00:00:00:0a\n');

    await host.onContainer(id, 'stop', { timeout: 0 });
    await untilNothing(claims);
    const after = await host.inspect(id);
    expect(after.ports).to.deep.equal([]);
    expect(after.networks).to.deep.equal(before.networks);
    expect((await host.cli('port', 'db')).stdout).to.equal('');
    expect((await host.cli('ps', '-aq', '-f', 'network=web')).stdout).to.equal(
      `${id.slice(0, 12)}\n`,
    );
    await host.onContainer(id, 'remove');
  });

  it('A network that is named by its id is shown by its name, and an internal one has no gateway', async () => {
    const { stdout } = await host.cli('network', 'create', '--internal', 'inner');
    const networkId = stdout.trim();
    const id = await host.create(['sleep', '100'], { network: networkId.slice(0, 12) });
    await host.onContainer(id, 'start');
    const { networks = [] } = await host.inspect(id);
    expect(networks).to.have.length(1);
    expect(networks[0]).to.include({ network: 'inner', networkId, ipv4: '172.17.0.2/16' });
    expect(networks[0]).to.not.have.property('gateway');
    const inspected = await host.cli('inspect', '-f', '{{json .NetworkSettings}}', id);
    const settings = JSON.parse(inspected.stdout) as Record<string, unknown>;
    expect(settings).to.include({ IPAddress: '', Gateway: '' });
    expect(settings['Networks']).to.have.all.keys('inner');
    // The file is the container's network namespace.
    const addresses = ['nsenter', `--net=${String(settings['SandboxKey'])}`, 'ip', '-o', 'address'];
    expect(await host.namespace.run(...addresses)).to.include('172.17.0.2/16');
    for (const filter of ['inner', networkId, networkId.slice(0, 12)]) {
      const found = await host.cli('ps', '-q', '--no-trunc', '-f', `network=${filter}`);
      expect(found.stdout, filter).to.equal(`${id}\n`);
    }
    await host.onContainer(id, 'remove', { force: true });
  });

  it('A detached container has its address and its ports again after each restart', async () => {
    const id = await host.create(['node', '-e', server8080('again')], {
      network: 'bridge',
      ports: ['9000:8080'],
      restart: 'always',
    });
    await host.onContainer(id, 'start');
    const ask = () =>
      host.namespace.run(process.execPath, '-e', getWhenThere('http://127.0.0.1:9000/'));
    expect(await ask()).to.equal('again');
    const [claim] = await claims();
    for (let at = 0; at < 3; at++) {
      const found = (await host.onContainer(id, 'inspect')) as { state: { pid: number } };
      const { state } = found;
      process.kill(state.pid, 'SIGKILL');
      await eventually(async () => {
        const { state: now } = (await host.onContainer(id, 'inspect')) as typeof found;
        expect(now.pid).to.be.greaterThan(0).and.not.equal(state.pid);
      });
      expect(await ask()).to.equal('again');
      expect(await claims()).to.deep.equal([claim]);
    }
    await host.onContainer(id, 'remove', { force: true });
    await untilNothing(claims);
    const table = await host.namespace.run('nft', 'list', 'table', 'inet', 'caisson');
    expect(table).not.to.match(/172\.17\.0\./);
  });

  /** Elements of the firewall's maps. */
  const published = async () => {
    const table = await host.namespace.run('nft', 'list', 'table', 'inet', 'caisson');
    return table.match(/\S+ \. \S+ : \S+ \. \d+/g) ?? [];
  };

  it('What a killed supervisor has left is released by the next start, and its ports are free for another', async () => {
    await host.createNetwork('web', '10.77.0.0/24');
    const id = await host.create(['sleep', '1000'], { network: 'web', ports: ['9000:80'] });
    await host.onContainer(id, 'start');
    const { state } = (await host.onContainer(id, 'inspect')) as { state: { pid: number } };
    const stat = await readFile(`/proc/${state.pid}/stat`, 'utf8');
    process.kill(Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]), 'SIGKILL');
    await untilNothing(async () => (await host.links()).filter((name) => name.startsWith('ve')));
    expect(await claims()).to.have.length(1);
    expect(await published()).to.have.length(1);
    // One of them is in the way.
    const ports = ['9000:80', '9001:80'];
    const { exitCode } = await host.run(['true'], { network: 'web', ports });
    expect(exitCode).to.equal(0);
    await host.onContainer(id, 'start');
    await eventually(async () => expect(await claims()).to.have.length(1));
    await eventually(async () => expect(await published()).to.have.length(1));
    await host.onContainer(id, 'remove', { force: true });
    await untilNothing(claims);
    await untilNothing(published);
  });

  it('An address is released by the next engine whose start was killed before its first step', async () => {
    await host.createNetwork('web', '10.77.0.0/24');
    const server = await host.start(['sleep', '1000'], { network: 'web' });
    const [held = ''] = await claims();
    const [network = ''] = held.split('/');
    const dead = spawnSync('true');
    for (const name of ['10.77.0.9', `.${dead.pid}-0`]) {
      const claim = join(directory, 'run/networks', network, name);
      await mkdir(claim);
      await symlink(`${dead.pid} 1 ${bootId()}`, join(claim, 'a'.repeat(64)));
    }
    expect(await claims()).to.have.length(3);
    const engine = [process.execPath, fixture('engine-in-namespace'), directory];
    await host.namespace.run('sh', '-c', 'exec "$0" "$@" </dev/null', ...engine);
    expect(await claims()).to.deep.equal([held]);
    await server.kill();
    await untilNothing(claims);
  });

  it('A network whose subnet another interface has is refused, and no bridge is made', async () => {
    await host.createNetwork('web', '10.77.0.0/24');
    const ip = (...args: string[]) => host.namespace.run('ip', ...args);
    await ip('link', 'add', 'other', 'type', 'bridge');
    await ip('link', 'set', 'other', 'up');
    const before = await host.links();
    for (const address of ['10.77.0.1/24', '10.77.0.201/30']) {
      await ip('address', 'add', address, 'dev', 'other');
      const error = await host.refusal(['true'], { network: 'web' });
      expect(error.code).to.equal('ERR_SUBNET_OVERLAP');
      expect(error.message).to.include('10.77.0.').and.to.include('other');
      expect(await host.links()).to.deep.equal(before);
      await ip('address', 'del', address, 'dev', 'other');
    }
    // As of a VPN: the route with the longer prefix is taken.
    await ip('address', 'add', '10.99.0.1/8', 'dev', 'other');
    expect((await host.run(['true'], { network: 'web' })).exitCode).to.equal(0);
  });

  it('A network with options that are damaged is refused, and nothing stays claimed', async () => {
    await host.createNetwork('web', '10.77.0.0/24');
    const [id = ''] = await readdir(join(directory, 'data/networks'));
    const file = join(directory, 'data/networks', id, 'network.json');
    const text = await readFile(file, 'utf8');
    const damaged = '"options":{"com.docker.network.driver.mtu":"7"}';
    await writeFile(file, text.replace('"options":{}', damaged));
    const bridge = `cai-${id.slice(0, 11)}`;
    await host.namespace.run('ip', 'link', 'add', bridge, 'type', 'bridge');
    await host.namespace.run('ip', 'link', 'set', bridge, 'up');
    const error = await host.refusal(['true'], { network: 'web' });
    expect(error.code).to.equal('ERR_INVALID_OPTION');
    expect(await claims()).to.deep.equal([]);
  });
});

needsRoot('network namespaces and bridges').describe(
  'Options of a network that are refused',
  function () {
    this.timeout(60_000);
    let directory: string;
    let host: NetworkHost;

    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'caisson-bridge-'));
      host = await NetworkHost.make(directory);
      await host.createNetwork('web', '10.77.0.0/24');
    });
    after(async () => {
      await host.end();
      await rm(directory, { recursive: true, force: true });
    });

    for (const [why, options, code, message] of [
      [
        'an unknown network',
        { network: 'nowhere' },
        'ERR_NO_SUCH_NETWORK',
        'network nowhere not found',
      ],
      [
        'an address on the predefined network',
        { network: 'bridge', ip: '172.17.0.9' },
        'ERR_CONFLICTING_OPTIONS',
        'user defined networks only',
      ],
      [
        'an alias on the predefined network',
        { network: 'bridge', networkAliases: ['db'] },
        'ERR_CONFLICTING_OPTIONS',
        'network-scoped alias',
      ],
      [
        'an address outside the subnet',
        { network: 'web', ip: '10.78.0.9' },
        'ERR_INVALID_OPTION',
        '10.78.0.9',
      ],
      [
        'the address of the gateway',
        { network: 'web', ip: '10.77.0.1' },
        'ERR_ADDRESS_IN_USE',
        'gateway',
      ],
      [
        'IPv6 in a network without it',
        { network: 'web', ip6: 'fd00::9' },
        'ERR_CONFLICTING_OPTIONS',
        'no IPv6',
      ],
      [
        'ports with the network of the host',
        { network: 'host', ports: ['80:80'] },
        'ERR_CONFLICTING_OPTIONS',
        'ports',
      ],
      [
        'a port out of range',
        { network: 'web', ports: ['80:70000'] },
        'ERR_INVALID_OPTION',
        'invalid containerPort',
      ],
      [
        'a multicast MAC address',
        { network: 'web', macAddress: '01:00:00:00:00:01' },
        'ERR_INVALID_OPTION',
        'macAddress',
      ],
      [
        'an address without a bridge',
        { ip: '10.0.0.1' },
        'ERR_CONFLICTING_OPTIONS',
        'needs a network',
      ],
    ] as const)
      it(`A start with ${why} is refused, and nothing stays claimed`, async () => {
        const error = await host.refusal(['true'], options);
        expect(error.code).to.equal(code);
        expect(error.message).to.include(message);
        expect(await claimsIn(directory)).to.deep.equal([]);
      });
  },
);

const get = (url: string) =>
  `fetch('${url}').then(async (answer) => process.stdout.write(await answer.text()))`;
/** For ten seconds. */
const getWhenThere = (url: string) => `
  const end = Date.now() + 10_000;
  const attempt = () => fetch('${url}').then(async (answer) => process.stdout.write(await answer.text()))
    .catch((error) => { if (Date.now() > end) throw error; setTimeout(attempt, 50); });
  attempt();`;
const server8080 = (text: string) =>
  `require('http').createServer((_, answer) => answer.end('${text}')).listen(8080)`;
