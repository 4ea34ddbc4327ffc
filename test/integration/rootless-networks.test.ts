/**
 * Networks with a bridge of an unprivileged user, in the shared network of that user. All traffic stays in an outer network of
 * the test's own.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { expect } from 'chai';
import { LOOPBACK_PORT, OuterNetwork, PORT, SERVER } from '../support/outer-network.js';
import {
  type CommandLineUser,
  removeContainers,
  succeeded,
  unprivileged,
  untilLogged,
} from '../support/outer-users.js';
import { eventually } from '../support/outside.js';
import { skip } from '../support/skip.js';
import { pidsOf, processes, RootlessGround } from '../support/rootless-ground.js';
import { RANGE, SUBGID, SUBUID, UID } from '../support/unprivileged-user.js';

const SLEEP = ['sleep', '1000'];
const DIAL = 'exec 3<>/dev/tcp/$0/$1 && echo hello >&3 && cat <&3';
const SERVE =
  '$| = 1; my $s = IO::Socket::INET->new(LocalPort => 80, Listen => 5, ReuseAddr => 1) or die; print "ready\\n"; ' +
  'while (my $c = $s->accept) { <$c>; print $c "inside\\n"; close $c }';
const SERVING = ['perl', '-MIO::Socket::INET', '-e', SERVE];

describe('Networks of an unprivileged user', function () {
  this.timeout(120_000);
  let outer: OuterNetwork;
  let user: CommandLineUser;

  before(async function () {
    const missing = RootlessGround.missing();
    if (missing !== undefined) skip(this, missing);
    outer = await OuterNetwork.make();
    user = await unprivileged(outer);
  });
  after(async () => {
    await (user as CommandLineUser | undefined)?.cleanUp();
    await (outer as OuterNetwork | undefined)?.cleanUp();
  });
  afterEach(async () => {
    await removeContainers(user);
    await user.caisson(['network', 'prune', '-f']);
    // The shared network ends some seconds after its last container, and pasta with it.
    await eventually(() => expect(processes()).to.deep.equal([]), 20_000);
    await eventually(() => expect(outer.guests(), 'processes').to.deep.equal([]));
  });

  const ok = (...args: readonly string[]) => succeeded(user, args);
  const serving = async (...flags: readonly string[]): Promise<string> => {
    const id = await ok('run', '-d', ...flags, 'host', ...SERVING);
    await untilLogged(user, id, 'ready');
    return id;
  };
  const dial = async (id: string, address: string, port: number): Promise<string> => {
    const within = ['timeout', '5', 'bash', '-c', DIAL, address, String(port)];
    const { stdout } = await user.caisson(['exec', id, ...within]);
    return stdout;
  };
  const pidOf = async (id: string) => Number(await ok('inspect', '-f', '{{.State.Pid}}', id));
  const address = (id: string, network: string) =>
    ok('inspect', '-f', `{{.NetworkSettings.Networks.${network}.IPAddress}}`, id);

  it('A container on the network bridge has an interface of its own, and reaches the outside', async () => {
    const id = await ok('run', '-d', '--network', 'bridge', 'host', ...SLEEP);
    const at = await address(id, 'bridge');
    expect(at).to.match(/^172\.\d+\.0\.2$/);
    expect(await ok('exec', id, 'ip', '-o', '-4', 'address', 'show', 'eth0')).to.include(
      `${at}/16`,
    );
    expect(await dial(id, SERVER, PORT)).to.equal('outside\n');
    expect(await dial(id, '127.0.0.1', LOOPBACK_PORT)).to.equal('');
    expect(await ok('exec', id, 'getent', 'ahostsv4', 'any.example.com')).to.include(SERVER);
    // Nothing of it is on the host.
    expect(await outer.run('ip', '-o', 'link')).not.to.match(/caisson0|cai-|ve[0-9a-f]{6}/);
  });

  it('Containers of a created network find each other by name, and those of two networks do not reach each other', async () => {
    await ok('network', 'create', 'web');
    await ok('network', 'create', 'other');
    const server = await serving('--network', 'web', '--name', 'db', '--network-alias', 'store');
    const near = await ok('run', '-d', '--network', 'web', 'host', ...SLEEP);
    const far = await ok('run', '-d', '--network', 'other', 'host', ...SLEEP);
    const at = await address(server, 'web');
    for (const name of ['db', 'store', at])
      expect(await dial(near, name, 80), name).to.equal('inside\n');
    expect(await dial(far, at, 80)).to.equal('');
    expect(await dial(far, 'db', 80)).to.equal('');
    expect(await dial(far, SERVER, PORT)).to.equal('outside\n');
    await ok('rename', 'db', 'base');
    expect(await dial(near, 'base', 80)).to.equal('inside\n');
    const { code, stderr } = await user.caisson(['network', 'rm', 'web']);
    expect([code, stderr]).to.deep.include(1);
    expect(stderr).to.include('has active endpoints');
  });

  it('A container has several networks, which change while it is stopped', async () => {
    for (const network of ['back', 'front', 'side']) await ok('network', 'create', network);
    const server = await serving('--network', 'side', '--name', 'db');
    const both = ['--network', 'back', '--network', 'name=front,gw-priority=1'];
    const id = await ok('run', '-d', ...both, '--name', 'web', 'host', ...SLEEP);
    const ip = async (...args: readonly string[]) => ok('exec', 'web', 'ip', '-o', '-4', ...args);
    const networks = async () =>
      Object.keys(
        JSON.parse(await ok('inspect', '-f', '{{json .NetworkSettings.Networks}}', id)) as object,
      ).sort();
    expect(await ip('address', 'show', 'eth0')).to.include(await address(id, 'back'));
    expect(await ip('address', 'show', 'eth1')).to.include(await address(id, 'front'));
    expect(await ip('route', 'show', 'default')).to.include('dev eth1');
    expect(await dial(id, SERVER, PORT)).to.equal('outside\n');

    expect(await networks()).to.deep.equal(['back', 'front']);

    await ok('stop', '-t', '0', 'web');
    await ok('network', 'connect', '--alias', 'shop', 'side', 'web');
    await ok('network', 'disconnect', 'back', 'web');
    await ok('start', 'web');
    expect(await networks()).to.deep.equal(['front', 'side']);
    expect(await dial('web', 'db', 80)).to.equal('inside\n');
    expect(await ok('exec', server, 'getent', 'ahostsv4', 'shop')).to.include(
      await address(id, 'side'),
    );
  });

  it('Namespaces of a container with other users are refused before anything is made', async () => {
    await ok('network', 'create', 'web');
    await ok('run', '-d', '--name', 'other', 'host', ...SLEEP);
    for (const [flags, said] of [[['--userns', 'container:other'], 'has other users']] as const) {
      const { code, stderr } = await user.caisson(['run', '-d', '--network', 'web', ...flags, 'host', ...SLEEP]); // prettier-ignore
      expect(code, stderr).to.equal(125);
      expect(stderr).to.include(said);
    }
    expect(pidsOf(/caisson-network/)).to.deep.equal([]);
    await ok('network', 'rm', 'web');
  });

  it('A container joins namespaces of another one on a network, and has a network of its own', async () => {
    for (const network of ['web', 'other']) await ok('network', 'create', network);
    const one = await serving('--network', 'web', '--ipc', 'shareable', '--name', 'one');
    // Without a cgroup of their own, containers join no pid namespace.
    const joined = ['--ipc', 'container:one'];
    const two = await ok('run', '-d', '--network', 'other', ...joined, '--name', 'two', 'host', ...SLEEP); // prettier-ignore
    const space = async (id: string, name: string) =>
      readlinkSync(`/proc/${await pidOf(id)}/ns/${name}`);
    for (const name of ['user', 'ipc'])
      expect(await space(two, name), name).to.equal(await space(one, name));
    expect(await space(two, 'net')).not.to.equal(await space(one, 'net'));
    expect(await dial(two, SERVER, PORT)).to.equal('outside\n');
    expect(await dial(two, await address(one, 'web'), 80)).to.equal('');
    await ok('network', 'connect', 'web', 'two');
    expect(await dial(two, 'one', 80)).to.equal('inside\n');
    // What has joined all of it has no network of its own.
    const three = await ok('run', '-d', '--network', 'container:two', 'host', ...SLEEP);
    expect(await dial(three, 'one', 80)).to.equal('inside\n');
    const four = await ok('run', '-d', '--network', 'web', '--userns', 'container:two', 'host', ...SLEEP); // prettier-ignore
    expect(await dial(four, 'one', 80)).to.equal('inside\n');
    await ok('rm', '-f', 'two');
    expect(await dial(four, 'one', 80)).to.equal('inside\n');
  });

  it('A container that was taken from all of its networks is started without any', async () => {
    await ok('network', 'create', 'web');
    await ok('run', '-d', '--network', 'web', '--name', 'one', 'host', ...SLEEP);
    await ok('stop', '-t', '0', 'one');
    await ok('network', 'disconnect', 'web', 'one');
    await ok('start', 'one');
    expect(await ok('exec', 'one', 'ls', '/sys/class/net')).not.to.include('eth0');
    const joining = [
      'run',
      '-d',
      '--network',
      'web',
      '--userns',
      'container:one',
      'host',
      ...SLEEP,
    ];
    const joined = await user.caisson(joining);
    expect([joined.code, joined.stderr]).to.deep.include(125);
    expect(joined.stderr).to.include('is in no network of this user');
    const { code } = await user.caisson(['network', 'connect', 'web', 'one']);
    expect(code).to.equal(1);
    await ok('network', 'rm', 'web');
  });

  it('A container is on its network again when its supervisor has restarted it', async () => {
    await ok('network', 'create', 'web');
    const near = await ok('run', '-d', '--network', 'web', 'host', ...SLEEP);
    const flags = ['--network', 'web', '--name', 'db', '--restart', 'always'];
    const server = await serving(...flags);
    const before = await pidOf(server);
    process.kill(before, 'SIGKILL');
    await eventually(async () => {
      const now = await pidOf(server);
      expect(now).not.to.equal(0).and.not.equal(before);
      expect(await dial(near, 'db', 80)).to.equal('inside\n');
    });
  });

  it('Nothing is left when supervisors and agents are killed, and addresses are free again', async () => {
    await ok('network', 'create', 'web');
    const id = await ok('run', '-d', '--network', 'web', '--name', 'one', 'host', ...SLEEP);
    const at = await address(id, 'web');
    for (const pid of pidsOf(/caisson-supervi|caisson-agent/)) process.kill(pid, 'SIGKILL');
    await eventually(async () => expect(await ok('ps', '-q')).to.equal(''));
    await ok('rm', '-f', 'one');
    await ok('network', 'rm', 'web');
    await ok('network', 'create', 'web');
    const again = await ok('run', '-d', '--network', 'web', '--ip', at, 'host', ...SLEEP);
    expect(await address(again, 'web')).to.equal(at);
    expect(await dial(again, SERVER, PORT)).to.equal('outside\n');
  });

  it('The next start, or a reload, starts again what connects the shared network to the outside, and says so', async () => {
    await ok('network', 'create', 'web');
    await ok('run', '-d', '--network', 'web', '--name', 'old', 'host', ...SLEEP);
    const [holder] = pidsOf(/caisson-network/);
    for (const command of [
      ['run', '-d', '--network', 'web', 'host', ...SLEEP],
      ['network', 'reload'],
    ]) {
      for (const pid of outer.guests().filter(isPasta)) process.kill(pid, 'SIGKILL');
      await eventually(() => expect(outer.guests().filter(isPasta)).to.deep.equal([]));
      expect(await dial('old', SERVER, PORT)).to.equal('');
      const { code, stderr } = await user.caisson(command);
      expect(code, stderr).to.equal(0);
      expect(stderr).to.include(
        'had no way to the outside: pasta had ended, and was started again',
      );
      expect(await dial('old', SERVER, PORT)).to.equal('outside\n');
      expect(pidsOf(/caisson-network/)).to.deep.equal([holder]);
      const again = await user.caisson(command);
      expect(again.stderr).to.equal('');
    }
  });

  it('A container that its supervisor starts again keeps its names and networks when the holder of the shared network was killed, and the next start holds them again', async () => {
    await ok('network', 'create', 'web');
    const id = await serving('--network', 'web', '--name', 'db', '--restart', 'always');
    await ok('run', '-d', '--network', 'web', '--name', 'near', 'host', ...SLEEP);
    const [holder] = pidsOf(/caisson-network/);
    const network = readlinkSync(`/proc/${holder}/ns/net`);
    process.kill(holder!, 'SIGKILL');
    await eventually(() => expect(outer.guests().filter(isPasta)).to.deep.equal([]));
    process.kill(await pidOf(id), 'SIGKILL');
    await eventually(async () => expect(await dial('near', 'db', 80)).to.equal('inside\n'));
    for (const command of [
      ['run', '-d', '--network', 'web', '--name', 'new', 'host', ...SLEEP],
      ['network', 'reload'],
    ]) {
      const { code, stderr } = await user.caisson(command);
      expect(code, stderr).to.equal(0);
      expect(stderr).to.include('the process that holds it had ended, and was started again');
      const [now] = pidsOf(/caisson-network/);
      expect(readlinkSync(`/proc/${now}/ns/net`)).to.equal(network);
      for (const name of ['near', 'new']) {
        expect(await dial(name, 'db', 80)).to.equal('inside\n');
        expect(await dial(name, SERVER, PORT)).to.equal('outside\n');
      }
      process.kill(now!, 'SIGKILL');
      await eventually(() => expect(outer.guests().filter(isPasta)).to.deep.equal([]));
    }
    // It ends with its users nevertheless: afterEach.
    expect((await user.caisson(['network', 'reload'])).code).to.equal(0);
  });

  it('Another shared network is made when its holder was killed, and all network agents', async () => {
    await ok('network', 'create', 'web');
    await ok('run', '-d', '--network', 'web', '--name', 'old', 'host', ...SLEEP);
    const holders = pidsOf(/caisson-network/);
    expect(holders).to.have.length(1);
    process.kill(holders[0]!, 'SIGKILL');
    for (const pid of pidsOf(/caisson-agent/)) process.kill(pid, 'SIGKILL');
    const id = await ok('run', '-d', '--network', 'web', 'host', ...SLEEP);
    expect(pidsOf(/caisson-network/))
      .to.have.length(1)
      .and.not.include(holders[0]);
    expect(await dial(id, SERVER, PORT)).to.equal('outside\n');
    expect(await dial('old', SERVER, PORT)).to.equal('');
    await ok('restart', '-t', '0', 'old');
    expect(await dial('old', SERVER, PORT)).to.equal('outside\n');
  });

  it('Containers that are started at the same time are in one shared network', async () => {
    await ok('network', 'create', 'web');
    const flags = ['run', '-d', '--network', 'web'];
    const [server] = await Promise.all([
      serving('--network', 'web', '--name', 'db'),
      ok(...flags, '--name', 'one', 'host', ...SLEEP),
      ok(...flags, '--name', 'two', 'host', ...SLEEP),
    ]);
    expect(pidsOf(/caisson-network/)).to.have.length(1);
    const at = await address(server, 'web');
    for (const name of ['one', 'two']) expect(await dial(name, at, 80)).to.equal('inside\n');
  });

  it('A run is on a network, and its result is as any other', async () => {
    const run = ['run', '--rm', '--network', 'bridge', 'host', 'bash', '-c'];
    expect(await ok(...run, `${DIAL.replace('$0/$1', `${SERVER}/${PORT}`)}`)).to.equal('outside');
    const { code } = await user.caisson([...run, 'exit 7']);
    expect(code).to.equal(7);
  });

  it('A container has a user namespace of its own, in which it may change its own network', async () => {
    const flags = ['--network', 'bridge', '--cap-add', 'NET_ADMIN'];
    const id = await ok('run', '-d', ...flags, 'host', ...SLEEP);
    await ok('exec', id, 'ip', 'link', 'set', 'eth0', 'mtu', '1400');
    const users = (pid: number) => readlinkSync(`/proc/${pid}/ns/user`);
    const pid = await pidOf(id);
    expect(users(pid)).not.to.equal(users(pidsOf(/caisson-network/)[0]!));
    expect(users(pidsOf(/caisson-agent/)[0]!)).to.equal(users(pidsOf(/caisson-network/)[0]!));
    // All of the user's ids, as the shared network has them.
    const map = (name: string) =>
      readFileSync(`/proc/${pid}/${name}`, 'utf8').replaceAll(/ +/g, ' ');
    expect(map('uid_map')).to.match(new RegExp(`^ 0 ${UID} 1\n 1 ${SUBUID} ${RANGE}\n`));
    expect(map('gid_map')).to.match(new RegExp(`^ 0 ${UID} 1\n 1 ${SUBGID} ${RANGE}\n`));
  });
});

function isPasta(pid: number): boolean {
  try {
    return /^pas(?:ta|st)/.test(readFileSync(`/proc/${pid}/comm`, 'utf8'));
  } catch {
    return false; // it has just ended
  }
}
