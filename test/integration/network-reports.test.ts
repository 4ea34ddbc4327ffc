/** What ps, inspect and events tell of containers on networks. A network namespace stands for the machine. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { CreateOptions } from '../../lib/index.js';
import { NetworkHost } from '../support/network-host.js';
import { eventually } from '../support/outside.js';

describe('What is told of containers on networks', function () {
  this.timeout(60_000);
  let directory: string;
  let host: NetworkHost;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'caisson-reports-'));
    host = await NetworkHost.make(directory);
    await host.createNetwork('web', '10.71.0.0/24');
    await host.createNetwork('db', '10.72.0.0/24');
  });
  afterEach(async () => {
    const { stdout } = await host.cli('ps', '-aq');
    const ids = stdout.split('\n').filter((id) => id !== '');
    if (ids.length > 0) await host.cli('rm', '-f', ...ids);
  });
  after(async () => {
    await host.end();
    rmSync(directory, { recursive: true, force: true });
  });

  const started = async (options: CreateOptions, argv = ['sleep', '1000']): Promise<string> => {
    const id = await host.create(argv, options);
    await host.onContainer(id, 'start');
    return id;
  };
  const told = async (...args: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await host.cli(...args);
    expect(stderr).to.equal('');
    return stdout.trimEnd();
  };

  it('Exposed ports are listed beside published ones, and filters find them', async () => {
    const id = await started({
      network: 'web',
      expose: ['80', '443', '5000-5002/udp', 81],
      ports: ['127.0.0.1:8443:443'],
      name: 'app',
    });
    await told('network', 'create', '--internal', 'inner');
    await started({ network: 'inner', expose: ['80'], name: 'inside' });
    const ports = (...filters: readonly string[]) =>
      told('ps', '--format', '{{.Names}} {{.Ports}}', ...filters.flatMap((text) => ['-f', text]));
    const row = 'app 80-81/tcp, 5000-5002/udp, 127.0.0.1:8443->443/tcp';
    expect(await ports()).to.equal(`inside \n${row}`);
    for (const found of [
      'expose=80',
      'expose=5001/udp',
      'publish=8443',
      'expose=443',
      'expose=50-90',
    ])
      expect(await ports(found), found).to.equal(row);
    for (const missed of ['publish=80', 'expose=5001', 'expose=8443', 'publish=5000-5002/udp'])
      expect(await ports(missed), missed).to.equal('');
    expect(
      JSON.parse(await told('inspect', '-f', '{{json .NetworkSettings.Ports}}', id)),
    ).to.deep.equal({
      '443/tcp': [{ HostIp: '127.0.0.1', HostPort: '8443' }],
      ...Object.fromEntries(['5000/udp', '5001/udp', '5002/udp', '80/tcp', '81/tcp'].map((key) => [key, null])), // prettier-ignore
    });
    const script = '{{range $port, $all := .NetworkSettings.Ports}}{{$port}}{{range $all}}={{.HostPort}}{{end}} {{end}}'; // prettier-ignore
    expect(await told('inspect', '-f', script, id)).to.equal(
      '443/tcp=8443 5000/udp 5001/udp 5002/udp 80/tcp 81/tcp',
    );
    expect(await told('port', id)).to.equal('443/tcp -> 127.0.0.1:8443');
    await host.onContainer(id, 'stop', { timeout: 0 });
    expect(await told('inspect', '-f', '{{json .NetworkSettings.Ports}}', id)).to.equal('{}');
    expect(await told('ps', '-a', '-f', 'expose=80')).to.not.include('app');
  });

  /** Of a container since then: `create`, `connect web`, … */
  const eventsOf = async (id: string, since: number): Promise<string[]> => {
    const format = '{{.Type}} {{.Action}} {{.Actor.ID}} {{json .Actor.Attributes}}';
    const text = await told(
      'events',
      '--since',
      String(since),
      '--until',
      '0s',
      '--format',
      format,
    );
    return text.split('\n').flatMap((line) => {
      const [type = '', action = '', actor = '', ...rest] = line.split(' ');
      if (type === 'container') return actor === id ? [action] : [];
      const attributes = JSON.parse(rest.join(' ')) as Record<string, string>;
      expect(attributes['type']).to.equal('bridge');
      return attributes['container'] === id ? [`${action} ${attributes['name']}`] : [];
    });
  };

  it('Each start and each end in networks is told by events, in the order of Docker', async () => {
    const since = Date.now() / 1000;
    const id = await started({ network: 'web', networks: ['db'] });
    await host.onContainer(id, 'stop', { timeout: 0 });
    await host.onContainer(id, 'start');
    await told('network', 'disconnect', 'db', id);
    await host.onContainer(id, 'remove', { force: true });
    const end = ['disconnect web', 'disconnect db'];
    const begin = ['connect web', 'connect db', 'start'];
    const events = await eventsOf(id, since);
    expect(events.filter((each) => !/^(?:kill|stop)$/.test(each))).to.deep.equal([
      'create',
      ...begin,
      'die',
      ...end,
      ...begin,
      'disconnect db',
      'die',
      'disconnect web',
      'destroy',
    ]);
  });

  it('Restarts by its policy and starts that fail are told, too', async () => {
    const since = Date.now() / 1000;
    const restarted = await started({ network: 'web', restart: 'on-failure:1' }, ['false']);
    await eventually(async () => expect((await host.inspect(restarted)).status).to.equal('exited'));
    const run = ['connect web', 'start', 'die', 'disconnect web'];
    expect(await eventsOf(restarted, since)).to.deep.equal(['create', ...run, ...run]);
    const failed = await host.create(['/no/such/program'], { network: 'web' });
    const error = await host.onContainer(failed, 'start').catch((reason: unknown) => reason);
    expect(error).to.have.property('code', 'ERR_COMMAND_NOT_FOUND');
    expect(await eventsOf(failed, since)).to.deep.equal([
      'create',
      'connect web',
      'disconnect web',
    ]);
  });

  it('The end of a container whose supervisor was killed is told when it is found', async () => {
    const since = Date.now() / 1000;
    const id = await started({ network: 'web' });
    const { state } = await host.inspect(id);
    process.kill(Number(state.supervisor.split(' ')[0]), 'SIGKILL');
    await eventually(async () => expect((await host.inspect(id)).status).to.equal('exited'));
    expect(await eventsOf(id, since)).to.deep.equal([
      'create',
      'connect web',
      'start',
      'die',
      'disconnect web',
    ]);
  });
});
