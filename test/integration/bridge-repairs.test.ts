/** What others change of networks of bridges while containers run, and what becomes of it. */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { untilNothing } from '../support/leftovers.js';
import { needsRoot } from '../support/needs.js';
import { resolversOf } from '../support/network-churn.js';
import { NetworkHost } from '../support/network-host.js';
import { eventually } from '../support/outside.js';

needsRoot('network namespaces and bridges').describe('Networks that are changed', function () {
  this.timeout(60_000);
  let directory: string;
  let host: NetworkHost;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caisson-repairs-'));
    host = await NetworkHost.make(directory);
  });
  afterEach(async () => {
    await host.end();
    await rm(directory, { recursive: true, force: true });
  });

  /** The IPv4 addresses of these names, in a container. */
  const lookUp = async (id: string, ...names: readonly string[]) => {
    const script = 'for name; do getent ahostsv4 "$name" | sed -n "s/ .*//;1p"; done';
    const { stdout, stderr } = await host.exec(id, 'sh', '-c', script, 'sh', ...names);
    expect(stderr).to.equal('');
    return stdout.trim().split('\n');
  };

  const pidOf = async (id: string) => (await host.inspect(id)).state.pid;

  it('A container that is renamed has its new name at once and after a restart, and no longer the old one', async () => {
    await host.createNetwork('web', '10.77.0.0/24');
    // What is not known fails at once.
    const noServer = ['--dns', '127.0.0.1'];
    const made = await host.cli(
      ...['run', '-d', '--network', 'web', '--network-alias', 'db', '--name', 'before'],
      ...['--restart', 'always', ...noServer, 'host', 'sleep', '1000'],
    );
    const id = made.stdout.trim();
    expect(made.stderr).to.equal('');
    const asking = await host.create(['sleep', '1000'], { network: 'web', dns: ['127.0.0.1'] });
    await host.onContainer(asking, 'start');
    expect(await lookUp(asking, 'before')).to.deep.equal(['10.77.0.2']);
    expect((await host.cli('rename', 'before', 'behind')).stderr).to.equal('');
    const expectNames = async () => {
      const names = ['behind', 'db', id.slice(0, 12), 'behind.web'];
      expect(await lookUp(asking, ...names)).to.deep.equal(names.map(() => '10.77.0.2'));
      expect(await lookUp(asking, 'before')).to.deep.equal(['']);
      const reverse = await host.exec(asking, 'getent', 'hosts', '10.77.0.2');
      expect(reverse.stdout).to.match(/^10\.77\.0\.2 +behind\.web$/m);
    };
    await expectNames();
    const before = await pidOf(id);
    process.kill(before, 'SIGKILL');
    await eventually(async () => {
      expect(await pidOf(id))
        .to.be.greaterThan(0)
        .and.not.equal(before);
    });
    await expectNames();
    expect((await host.cli('rename', 'behind', 'before')).stderr).to.equal('');
    expect(await lookUp(asking, 'before')).to.deep.equal(['10.77.0.2']);
    expect(await lookUp(asking, 'behind')).to.deep.equal(['']);
  });

  it('A network whose file is damaged is named with its file, hinders no other, and can be removed', async () => {
    for (const text of [
      '{"version":1,"name":"web","bridge":"br-web"',
      '{"name":"web","bridge":"../x"}',
      '\0\0',
    ]) {
      const option = 'com.docker.network.bridge.name=br-web';
      const created = await host.cli('network', 'create', '-o', option, 'web');
      const id = created.stdout.trim();
      await host.cli('network', 'create', 'other');
      expect((await host.run(['true'], { network: 'web' })).exitCode).to.equal(0);
      const file = join(directory, 'data/networks', id, 'network.json');
      await writeFile(file, text);
      const byName = await host.cli('network', 'inspect', 'web');
      expect(byName.stderr).to.include(file).and.to.include('damaged');
      for (const verb of [
        ['network', 'inspect', id.slice(0, 12)],
        ['run', '--network', id, 'host', 'true'],
      ])
        // prettier-ignore
        expect((await host.cli(...verb)).stderr).to.include(`${file} is damaged`);
      const listed = await host.cli('network', 'ls', '--format', '{{.Name}}');
      expect(listed.stdout.trim().split('\n')).to.have.members(['bridge', 'host', 'none', 'other']);
      const removed = await host.cli(
        'network',
        'rm',
        text.includes('web') ? 'web' : id.slice(0, 12),
      );
      expect(removed.stderr).to.equal('');
      expect((await host.cli('network', 'inspect', id)).stderr).to.include('not found');
      if (text.includes('br-web')) expect(await host.links()).not.to.include('br-web');
      await host.namespace.run('sh', '-c', 'ip link delete br-web 2>/dev/null || true');
      await host.cli('network', 'rm', 'other');
    }
    // That of the network `bridge`.
    const { id } = JSON.parse((await host.cli('network', 'inspect', '-f', '{"id":"{{.Id}}"}', 'bridge')).stdout) as { id: string }; // prettier-ignore
    expect((await host.run(['true'], { network: 'bridge' })).exitCode).to.equal(0);
    await writeFile(join(directory, 'data/networks', id, 'network.json'), '{');
    const refused = await host.cli('run', '--network', 'bridge', 'host', 'true');
    expect(refused.stderr).to.include('is damaged').and.to.include('network rm');
    expect((await host.cli('network', 'rm', 'bridge')).stderr).to.equal('');
    const again = await host.cli('run', '--rm', '--network', 'bridge', 'host', 'true');
    expect(again).to.deep.equal({ code: 0, stdout: '', stderr: '' });
    expect((await host.cli('network', 'rm', 'bridge')).stderr).to.include('cannot be removed');
  });

  const answers = async (port: number) => {
    const ask = `fetch('http://127.0.0.1:${port}/').then((a) => a.text()).then(console.log, () => console.log('no'))`;
    return (await host.namespace.run(process.execPath, '-e', ask)).trim();
  };
  const serve = (text: string) => [
    'node',
    '-e',
    `require('http').createServer((_, a) => a.setHeader('connection', 'close').end('${text}')).listen(80)`,
  ];

  it('Ports of containers that run are published again after the firewall was flushed', async () => {
    await host.createNetwork('web', '10.77.0.0/24');
    const flush = () => host.namespace.run('nft', 'flush', 'ruleset');
    const id = await host.create(serve('one'), { network: 'web', ports: ['80', '9001:80'] });
    await host.onContainer(id, 'start');
    const run = await host.start(serve('two'), { network: 'bridge', ports: ['9002:80'] });
    const gone = await host.create(['sleep', '1000'], { network: 'web', ports: ['9003:80'] });
    await host.onContainer(gone, 'start');
    const portsOf = async () => (await host.inspect(id)).ports;
    const before = await portsOf();
    expect(before).to.have.length(2);
    const random = before?.find(({ hostPort }) => hostPort !== 9001)?.hostPort ?? 0;
    for (const repair of [
      () => host.cli('run', '--rm', '--network', 'web', 'host', 'true'),
      () => host.cli('network', 'reload'),
    ]) {
      await eventually(async () => expect(await answers(9001)).to.equal('one'));
      await flush();
      expect(await answers(9001)).to.equal('no');
      await host.onContainer(gone, 'kill');
      expect(await repair()).to.deep.include({ code: 0, stderr: '' });
      expect(await answers(random)).to.equal('one');
      expect(await answers(9002)).to.equal('two');
      expect(await portsOf()).to.deep.equal(before);
      const table = await host.namespace.run('nft', 'list', 'table', 'inet', 'caisson');
      expect(table).not.to.include('9003');
      await host.onContainer(gone, 'start');
    }
    await run.kill();
    for (const each of [id, gone]) await host.onContainer(each, 'remove', { force: true });
    await untilNothing(async () => readdir(join(directory, 'run/published')));
    const table = await host.namespace.run('nft', 'list', 'table', 'inet', 'caisson');
    expect(table).not.to.match(/ : 10\.77\.0\.| : 172\./);
  });

  it('A host that forwards for containers alone is closed to its other networks again after the firewall was flushed', async () => {
    const set = (family: string, value: number) =>
      host.namespace.run('sysctl', '-qw', `net.${family}=${value}`);
    for (const key of ['ipv4.ip_forward', 'ipv6.conf.all.forwarding']) await set(key, 0);
    const closed = async () =>
      /elements = \{ (.*) \}/.exec(
        await host.namespace.run('nft', 'list', 'set', 'inet', 'caisson', 'closed'),
      )?.[1];
    const id = await host.create(['sleep', '1000'], { network: 'bridge', restart: 'always' });
    await host.onContainer(id, 'start');
    expect(await closed()).to.equal('ipv4');
    const restarts = async () => {
      const before = await pidOf(id);
      process.kill(before, 'SIGKILL');
      await eventually(async () => expect(await pidOf(id)).not.to.be.oneOf([0, before]));
      return { code: 0, stderr: '' };
    };
    for (const repair of [
      () => host.cli('run', '--rm', '--network', 'bridge', 'host', 'true'),
      () => host.cli('network', 'reload'),
      restarts,
    ]) {
      await host.namespace.run('nft', 'flush', 'ruleset');
      expect(await repair()).to.deep.include({ code: 0, stderr: '' });
      expect(await closed()).to.equal('ipv4');
    }
    await host.onContainer(id, 'remove', { force: true });
  });

  it('Containers whose run directory was deleted are reported as such, give no address away, and leave nothing', async () => {
    await host.createNetwork('web', '10.77.0.0/24');
    const detached = ['run', '-d', '--network', 'web', '--restart', 'always'];
    const one = (
      await host.cli(...detached, '-p', '9000:80', 'host', 'sleep', '1000')
    ).stdout.trim();
    const two = (await host.cli(...detached, 'host', 'sleep', '1000')).stdout.trim();
    const run = await host.start(['sleep', '1000'], { network: 'web', ports: ['9001:80'] });
    await rm(join(directory, 'run'), { recursive: true });
    const refused = await host.cli('run', '--rm', '--network', 'web', 'host', 'true');
    expect(refused.code).to.equal(125);
    expect(refused.stderr)
      .to.match(/network web: .*run\/networks\/.* was deleted while containers run/)
      .and.to.include('caisson rm -f')
      .and.to.include(one.slice(0, 12));
    const stopped = await host.cli('stop', one);
    expect(stopped.stderr).to.include('the socket of its supervisor was deleted');
    expect((await host.cli('kill', one)).stderr).to.equal('');
    expect((await host.inspect(one)).status).to.equal('exited');
    await run.kill();
    expect((await host.cli('rm', '-f', one, two)).stderr).to.equal('');
    await untilNothing(async () => (await host.links()).filter((name) => name.startsWith('ve')));
    const table = await host.namespace.run('nft', 'list', 'table', 'inet', 'caisson');
    expect(table).not.to.match(/: 10\.77\.0\./);
    expect((await host.cli('ps', '-aq')).stdout).to.equal('');
    expect((await host.run(['true'], { network: 'web' })).exitCode).to.equal(0);
    await untilNothing(async () => readdir(join(directory, 'run/resolver')).catch(() => []));
  });

  it('A container publishes thousands of ports, and more than the limit are refused before anything is made', async () => {
    await host.createNetwork('web', '10.77.0.0/24', 'fd00:77::/64');
    const most = { network: 'web', ports: ['20000-24095:10000-14095/udp'] };
    const { exitCode } = await host.run(['true'], most);
    expect(exitCode).to.equal(0);
    const table = await host.namespace.run('nft', 'list', 'table', 'inet', 'caisson');
    expect(table).not.to.match(/10\.77\.0\.|fd00:77/);
    const { code, message } = await host.refusal(['true'], {
      ...most,
      ports: [...most.ports, '80'],
    });
    expect(code).to.equal('ERR_INVALID_OPTION');
    expect(message).to.include('4096 ports at most');
  });

  it('A client of UDP that went on sending comes to the container that has the port now', async () => {
    await host.createNetwork('web', '10.77.0.0/24');
    // From then on the kernel tracks flows.
    await host.run(['true'], { network: 'web' });
    const script = `const socket = require('dgram').createSocket('udp4');
      socket.on('message', (text) => console.log(String(text)));
      socket.bind(5555, '127.0.0.1', () => setInterval(() => socket.send('?', 9000, '127.0.0.1'), 50));`;
    const [program = '', ...args] = [...host.namespace.within, process.execPath, '-e', script];
    const client = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    client.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    const answer = (text: string) => [
      ...['node', '-e'],
      `const socket = require('dgram').createSocket('udp4');
      socket.on('message', (_, { port, address }) => socket.send('${text}', port, address)).bind(80);`,
    ];
    const flows = () => host.namespace.run('cat', '/proc/net/stat/nf_conntrack');
    try {
      await eventually(async () => expect(await flows()).to.match(/^0*[1-9a-f]/m));
      for (const name of ['one', 'two']) {
        const server = await host.start(answer(name), { network: 'web', ports: ['9000:80/udp'] });
        await eventually(() => expect(said).to.match(new RegExp(`${name}\\n$`)));
        await server.kill();
      }
    } finally {
      client.kill('SIGKILL');
    }
  });

  it('A resolver that was killed is started again by the command that repairs networks', async () => {
    await host.createNetwork('web', '10.77.0.0/24');
    const options = { network: 'web', networkAliases: ['db'], dns: ['127.0.0.1'] };
    const id = await host.create(['sleep', '1000'], options);
    await host.onContainer(id, 'start');
    expect(await lookUp(id, 'db')).to.deep.equal(['10.77.0.2']);
    const [broker = ''] = await resolversOf(directory);
    process.kill(Number(broker), 'SIGKILL');
    expect((await host.cli('network', 'reload')).stderr).to.equal('');
    expect(await lookUp(id, 'db')).to.deep.equal(['10.77.0.2']);
    expect((await resolversOf(directory))[0]).not.to.equal(broker);
  });

  it('A network that is not forwarded is a warning of the command line, and of the library', async () => {
    const drop =
      'table inet site { chain passing { type filter hook forward priority 5; policy drop; }\n }';
    await host.namespace.run('nft', drop);
    const { code, stderr } = await host.cli('run', '--rm', '--network', 'bridge', 'host', 'true');
    expect(code).to.equal(0);
    expect(stderr).to.match(
      /^WARNING: packets of containers are not forwarded: .*\nhint: nft .*\n$/,
    );
  });

  it('A bridge has the addresses again that were removed from it, at the next start', async () => {
    await host.createNetwork('web', '10.77.0.0/24', 'fd00:77::/64');
    const addresses = () => host.namespace.run('ip', '-o', 'address');
    const start = async () => {
      // Nothing listens there.
      const ask = 'for to in 10.77.0.1 fd00:77::1; do timeout 5 bash -c "</dev/tcp/$to/9"; done';
      const { stderr } = await host.run(['bash', '-c', ask], { network: 'web' });
      expect(stderr.match(/connect: Connection refused/g)).to.have.length(2);
    };
    await start();
    const bridge = (await host.links()).find((name) => name.startsWith('cai-')) ?? '';
    for (const family of [['-4'], ['-6'], []]) {
      await host.namespace.run('ip', ...family, 'address', 'flush', 'dev', bridge);
      await start();
      expect(await addresses())
        .to.include('inet 10.77.0.1/24')
        .and.to.include('inet6 fd00:77::1/64');
    }
    // Another address of the interface is not that of the network.
    await host.namespace.run('ip', 'address', 'flush', 'dev', bridge);
    await host.namespace.run('ip', 'address', 'add', '10.88.0.1/24', 'dev', bridge);
    await start();
    expect(await addresses())
      .to.include('10.88.0.1/24')
      .and.to.include('10.77.0.1/24');
  });
});
