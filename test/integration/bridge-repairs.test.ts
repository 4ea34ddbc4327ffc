/** What others change of networks of bridges while containers run, and what becomes of it. */
import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needsRoot } from '../support/needs.js';
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
    const { stdout, stderr } = await host.cli('exec', id, 'sh', '-c', script, 'sh', ...names);
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
      const reverse = await host.cli('exec', asking, 'getent', 'hosts', '10.77.0.2');
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
