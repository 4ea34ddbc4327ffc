/** Containers of a user without privileges, on the same engine: their rights, their limits, and what is left behind. */
import { existsSync } from 'node:fs';
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  rmdir,
  stat,
  writeFile,
} from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { hostname } from 'node:os';
import { promisify } from 'node:util';
import { join, relative } from 'node:path';
import { once } from 'node:events';
import { expect } from 'chai';
import { userNamespaceSwitch } from '../../lib/host/user-namespaces.js';
import { needsRoot } from '../support/needs.js';
import {
  UnprivilegedUser,
  RANGE,
  type RunAs,
  SUBGID,
  SUBUID,
  UID,
} from '../support/unprivileged-user.js';
import {
  eventually,
  exists,
  NAMESPACES,
  hierarchies,
  supervisorsOf,
  namespacesOf,
  statusOf,
} from '../support/outside.js';
import { makeBusybox } from '../support/workshop.js';
import type { RootlessFaults } from './fixtures/rootless-faults.js';
import type { Came } from './fixtures/rootless-run.js';
import { skip } from '../support/skip.js';

const SLEEP = ['sleep', '1000'];
/** Not every machine that tests run on has one. */
const HAS_PS = existsSync('/bin/ps');

/** Lines of numbers, as in an id map. */
async function mapOf(pid: number, name: 'uid_map' | 'gid_map'): Promise<number[][]> {
  const text = await readFile(`/proc/${pid}/${name}`, 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
}

const root = needsRoot('it makes users of its own');

root.describe('rootless containers', function () {
  this.timeout(120_000);
  let user: UnprivilegedUser;

  before(function () {
    // As on a machine whose security module allows user namespaces to chosen programs only.
    const forbidden = userNamespaceSwitch();
    if (forbidden !== undefined) skip(this, `${forbidden.name} forbids user namespaces`);
  });

  // What a test that failed has left is no news.
  afterEach(function () {
    return user.clear(this.currentTest?.state !== 'failed');
  });
  after(() => (user as UnprivilegedUser | undefined)?.cleanUp());

  /** A container in the background; its id and the pid of its first process. */
  async function started(...args: string[]): Promise<{ id: string; pid: number }> {
    const id = await user.ok(['run', '-d', ...args]);
    const pid = Number(await user.ok(['inspect', '--format', '{{.State.Pid}}', id]));
    return { id, pid };
  }

  describe('a user with one id', () => {
    before(async () => {
      user = await UnprivilegedUser.make(false);
    });

    after(() => user.cleanUp());

    it('An unprivileged user with one id runs the host image and a root directory, as root inside', async () => {
      const said = await user.ok(['run', '--rm', 'host', 'sh', '-c', 'id -u; cat /etc/hostname']);
      expect(said).to.match(/^0\n[0-9a-f]{12}$/);
      const root = user.busybox();
      const script = 'id -u; touch /new; ls /new';
      expect(await user.ok(['run', '--rm', '--rootfs', root, 'sh', '-c', script])).to.equal(
        '0\n/new',
      );
      expect(await exists(join(root, 'new')), 'written into the root directory').to.equal(false);
    });

    it('An error names what the root of another user lacks', async () => {
      const root = makeBusybox(join(user.directory, 'foreign'));
      const said = await user.fails(['run', '--rm', '--rootfs', root, 'true']);
      expect(said).to.include('/etc/hosts').and.include('a copy of your own');
    });

    it('The user namespace maps that id alone, and gives up setgroups', async () => {
      const { id, pid } = await started('host', ...SLEEP);
      expect(await mapOf(pid, 'uid_map')).to.deep.equal([[0, UID, 1]]);
      expect(await mapOf(pid, 'gid_map')).to.deep.equal([[0, UID, 1]]);
      expect((await readFile(`/proc/${pid}/setgroups`, 'utf8')).trim()).to.equal('deny');
      const [supervisor = 0] = supervisorsOf(id);
      const [own, supervisors, ours] = await Promise.all([
        namespacesOf(pid),
        namespacesOf(supervisor),
        namespacesOf('self'),
      ]);
      expect(own['user']).to.equal(supervisors['user']).and.not.equal(ours['user']);
      for (const kind of ['mnt', 'uts', 'ipc', 'pid', 'net', 'cgroup'])
        expect(own[kind], kind).to.not.equal(ours[kind]);
      // Rights over what belongs to the user, and Docker's set of them.
      expect((await statusOf(pid))['CapEff']).to.equal('00000000a80425fb');
      expect((await statusOf(pid))['Seccomp']).to.equal('2');
      await user.ok(['rm', '-f', id]);
    });

    it('An error says what other users need', async () => {
      const said = await user.fails(['run', '--rm', '-u', '33', 'host', 'true']);
      expect(said).to.include('/etc/subuid has no range').and.include('usermod --add-subuids');
      expect(await readdir(user.containers)).to.deep.equal([]);
    });

    it('A container with one id has a terminal', async () => {
      expect(await user.ok(['run', '--rm', '-t', 'host', 'tty'])).to.equal('/dev/pts/0');
    });
  });

  describe('a user with subordinate ids', () => {
    before(async function () {
      if (!existsSync('/usr/bin/newuidmap')) skip(this, 'newuidmap is not installed');
      user = await UnprivilegedUser.make(true);
    });

    it('The user namespace maps the user’s ranges behind the user’s own id', async () => {
      const { id, pid } = await started('host', ...SLEEP);
      expect(await mapOf(pid, 'uid_map')).to.deep.equal([
        [0, UID, 1],
        [1, SUBUID, RANGE],
      ]);
      expect(await mapOf(pid, 'gid_map')).to.deep.equal([
        [0, UID, 1],
        [1, SUBGID, RANGE],
      ]);
      const { Uid, Gid, Groups } = await statusOf(pid);
      expect(Uid).to.equal(`${UID}\t${UID}\t${UID}\t${UID}`);
      expect(Gid).to.equal(`${UID}\t${UID}\t${UID}\t${UID}`);
      expect(Groups?.trim()).to.equal(String(UID));
      await user.ok(['rm', '-f', id]);
    });

    it('A container has users, whose files are removed with the container', async () => {
      const make =
        'mkdir -m 700 /var/tmp/d && touch /var/tmp/d/f && chown -R 33:34 /var/tmp/d; id -u';
      const id = await user.ok(['create', '--name', 'files', 'host', 'sh', '-c', make]);
      expect(await user.ok(['start', '-a', 'files'])).to.equal('0');
      const written = join(user.containers, id, 'upper/var/tmp/d/f');
      const { uid, gid } = await stat(written);
      expect([uid, gid]).to.deep.equal([SUBUID + 32, SUBGID + 33]);
      expect(await user.ok(['run', '--rm', '-u', 'www-data', 'host', 'id', '-un'])).to.equal(
        'www-data',
      );
      await user.ok(['rm', 'files']);
    });

    it('The streams of a container can be written by its users', async () => {
      const write = 'echo out >/dev/stdout; echo err >/dev/stderr';
      const { stdout, stderr } = await user.caisson([
        'run',
        '--rm',
        '-u',
        '33',
        'host',
        'sh',
        '-c',
        write,
      ]);
      expect([stdout, stderr]).to.deep.equal(['out\n', 'err\n']);
      const { id } = await started('host', ...SLEEP);
      const again = await user.caisson(['exec', '-u', '33', id, 'sh', '-c', `id -u; ${write}`]);
      expect([again.stdout, again.stderr]).to.deep.equal(['33\nout\n', 'err\n']);
      await user.ok(['rm', '-f', id]);
    });

    it('A rootless container lives through all verbs', async () => {
      const obedient = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done";
      const id = await user.ok(['run', '-d', '--name', 'verbs', 'host', 'sh', '-c', obedient]);
      await eventually(async () => expect(await user.ok(['logs', 'verbs'])).to.equal('ready'));
      expect(await user.ok(['ps', '--no-trunc', '-q'])).to.equal(id);
      expect(await user.ok(['exec', '-i', 'verbs', 'cat'], { input: 'in' })).to.equal('in');
      expect(await user.ok(['exec', '-t', 'verbs', 'tty'])).to.match(/^\/dev\/pts\/\d+$/);
      if (HAS_PS) {
        const rows = (await user.ok(['top', 'verbs', '-o', 'pid,args'])).split('\n');
        expect(
          rows.some((row) => row.includes('trap')),
          rows.join('\n'),
        ).to.equal(true);
        expect(
          rows.some((row) => row.includes('caisson-supervisor')),
          rows.join('\n'),
        ).to.equal(false);
      }
      const [pids, memory] = (
        await user.ok(['stats', '--no-stream', '--format', '{{.PIDs}} {{.MemUsage}}', 'verbs'])
      ).split(/ (.*)/);
      expect(Number(pids)).to.be.above(0);
      expect(memory).to.equal('-- / --');
      await user.ok(['rename', 'verbs', 'renamed']);
      await user.ok(['stop', 'renamed']);
      expect(await user.ok(['inspect', '--format', '{{.State.ExitCode}}', id])).to.equal('5');
      await user.ok(['start', 'renamed']);
      await user.ok(['kill', 'renamed']);
      expect(await user.ok(['wait', 'renamed'])).to.equal('137');
      await user.ok(['rm', 'renamed']);
    });

    it('A rootless container has health checks, and is restarted', async () => {
      const id = await user.ok([
        ...['run', '-d', '--restart', 'always', '-u', '33', '--health-cmd', 'test "$(id -u)" = 33'],
        ...['--health-interval', '100ms', 'host', 'sh', '-c', 'sleep 2; exit 3'],
      ]);
      const healthy = () => user.ok(['inspect', '--format', '{{.State.Health.Status}}', id]);
      await eventually(async () => expect(await healthy()).to.equal('healthy'));
      await eventually(async () =>
        expect(Number(await user.ok(['inspect', '--format', '{{.RestartCount}}', id]))).to.be.above(
          0,
        ),
      );
      await eventually(async () => expect(await healthy()).to.equal('healthy'));
      await user.ok(['rm', '-f', id]);
    });

    it('A rootless container is recovered after its supervisor was killed', async () => {
      const make =
        'mkdir -m 700 /var/tmp/d && touch /var/tmp/d/f && chown -R 33 /var/tmp/d; sleep 1000';
      const { id, pid } = await started('host', 'sh', '-c', make);
      await eventually(() => stat(join(user.containers, id, 'upper/var/tmp/d/f')));
      for (const supervisor of supervisorsOf(id)) process.kill(supervisor, 'SIGKILL');
      await eventually(() => expect(existsSync(`/proc/${pid}/ns/pid`)).to.equal(false));
      const state = ['inspect', '--format', '{{.State.Status}} {{.State.ExitCode}}', id];
      expect(await user.ok(state)).to.equal('exited 255');
      await user.ok(['start', id]);
      expect(await user.ok(state)).to.equal('running 0');
      await user.ok(['rm', '-f', id]);
    });

    it('A run whose supervisor was killed has no process left when its caller learns of it', async () => {
      const script = '(sleep 1000) & (sleep 1000) & echo begun; exec';
      // Changing its user it loses what would end it with its supervisor (prctl(2), PR_SET_PDEATHSIG).
      for (const program of ['sleep 1000', 'setpriv --reuid 33 --clear-groups sleep 1000']) {
        const { id, pid } = await started('host', 'sh', '-c', `${script} ${program}`);
        await eventually(async () => expect(await user.ok(['logs', id])).to.equal('begun'));
        await eventually(async () => expect((await statusOf(pid))['Name']).to.equal('sleep'));
        // With the supervisor.
        expect(user.processes()).to.have.lengthOf(4);
        for (const supervisor of supervisorsOf(id)) process.kill(supervisor, 'SIGKILL');
        await eventually(() => expect(supervisorsOf(id)).to.deep.equal([]));
        expect(await user.ok(['ps', '-a', '--format', '{{.State}}'])).to.equal('exited');
        expect(user.processes(), program).to.deep.equal([]);
        await user.ok(['rm', id]);
      }
    });

    it('A container keeps what it cannot remove, and says why', async () => {
      const make = 'mkdir -m 700 /var/tmp/d && touch /var/tmp/d/f && chown -R 33 /var/tmp/d';
      const id = await user.ok(['create', 'host', 'sh', '-c', make]);
      await user.ok(['start', '-a', id]);
      const ofHis = ['-uid', String(SUBUID + 32), '-type', 'f'];
      const written = async () =>
        (await promisify(execFile)('find', [user.containers, ...ofHis])).stdout;
      expect(await written()).to.match(/\/f\n$/);
      const without: RunAs = { before: 'mount --bind /dev/null /etc/subuid' };
      expect(await user.fails(['rm', id], without, 1)).to.include('/etc/subuid');
      expect(await written()).to.match(/\/f\n$/);
      // With the ranges there again, the next command removes the rest.
      await user.ok(['ps', '-a']);
      expect(await written()).to.equal('');
    });

    it('A container shares the network of its user where asked', async () => {
      const { id, pid } = await started('--network', 'host', 'host', ...SLEEP);
      expect(await readlink(`/proc/${pid}/ns/net`)).to.equal(await readlink('/proc/self/ns/net'));
      const interfaces = (await user.ok(['exec', id, 'ls', '/sys/class/net'])).split('\n');
      expect(interfaces).to.include.members(
        (await readdir('/sys/class/net')).filter((name) => name === 'lo'),
      );
      const write = 'echo 1 >/sys/class/net/lo/mtu || touch /sys/fs/cgroup/x';
      expect((await user.caisson(['exec', id, 'sh', '-c', write])).code).to.not.equal(0);
      await user.ok(['rm', '-f', id]);
    });

    it('A container shares the IPC and UTS namespaces of the host where asked', async () => {
      const { id, pid } = await started('--ipc', 'host', '--uts', 'host', 'host', ...SLEEP);
      const [there, here] = await Promise.all([namespacesOf(pid), namespacesOf('self')]);
      for (const kind of ['ipc', 'uts', 'pid', 'net'])
        expect(there[kind] === here[kind], kind).to.equal(kind === 'ipc' || kind === 'uts');
      const { stdout } = await user.caisson(['exec', id, 'sh', '-c', 'hostname; ls -d /dev/shm/.']);
      expect(stdout.split('\n')[0]).to.equal(hostname());
      await user.ok(['rm', '-f', id]);
    });

    it('A container joins the namespaces of another one of its user', async () => {
      const other = await started('--ipc', 'shareable', '--hostname', 'other', 'host', ...SLEEP);
      await user.ok(['exec', other.id, 'sh', '-c', 'echo shared >/dev/shm/file']);
      const join = ['--network', `container:${other.id}`, '--ipc', `container:${other.id}`];
      const { id, pid } = await started(...join, 'host', ...SLEEP);
      const [there, here] = await Promise.all([namespacesOf(other.pid), namespacesOf(pid)]);
      for (const kind of NAMESPACES)
        expect(here[kind] === there[kind], kind).to.equal(['user', 'net', 'ipc'].includes(kind));
      const script = 'cat /dev/shm/file /etc/hostname; hostname; readlink /proc/self/ns/net';
      expect(await user.ok(['exec', id, 'sh', '-c', script])).to.equal(
        `shared\nother\nother\n${here['net']}`,
      );
      expect(await user.ok(['run', '--rm', ...join, 'host', 'cat', '/dev/shm/file'])).to.equal(
        'shared',
      );
      await user.ok(['rm', '-f', other.id]);
      expect(await user.ok(['exec', id, 'cat', '/dev/shm/file'])).to.equal('shared');
      const { id: third } = await started('host', ...SLEEP);
      expect(
        await user.fails([
          ...['run', '--rm', '--network', `container:${id}`],
          ...['--userns', `container:${third}`, 'host', 'true'],
        ]),
      ).to.match(/different user namespaces|has the namespace/);
      await user.ok(['rm', '-f', id, third]);
    });

    it('A container has the cgroups that were delegated to its user', async function () {
      const unified = (await hierarchies()).find(({ version }) => version === 2);
      if (unified === undefined) skip(this, 'this machine has no cgroup v2');
      // As a manager does it that delegates: a subtree of the user's own, the user in a leaf of it, and nothing else to be seen.
      const delegated = join(unified.mountPoint, `caisson-user-${process.pid}`);
      const controllers = (await readFile(join(unified.mountPoint, 'cgroup.controllers'), 'utf8'))
        .split(/\s+/)
        .filter((name) => ['cpu', 'io', 'memory', 'pids'].includes(name));
      const before = `
        mkdir -p '${delegated}/own'
        chown ${UID} '${delegated}' '${delegated}/own'
        for file in procs subtree_control threads; do chown ${UID} '${delegated}/cgroup.'$file; done
        chown ${UID} '${delegated}/own/cgroup.procs'
        echo $$ >'${delegated}/own/cgroup.procs'
        mount --bind '${delegated}' '${unified.mountPoint}'`;
      const inside: RunAs = { before };
      try {
        if (controllers.length > 0) {
          const all = controllers.map((name) => `+${name}`).join(' ');
          await writeFile(join(unified.mountPoint, 'cgroup.subtree_control'), all);
        }
        const id = await user.ok(['run', '-d', 'host', ...SLEEP], inside);
        const pid = Number(await user.ok(['inspect', '--format', '{{.State.Pid}}', id], inside));
        const own = join(delegated, 'caisson', id);
        const members = async () => (await readFile(join(own, 'cgroup.procs'), 'utf8')).split('\n');
        expect(await members()).to.include(String(pid));
        await user.ok(['exec', '-d', id, 'sleep', '1001'], inside);
        expect(await members()).to.have.lengthOf(3); // with the end of the last line
        if (HAS_PS) expect((await user.ok(['top', id], inside)).split('\n')).to.have.lengthOf(3);
        await user.ok(['pause', id], inside);
        expect(await readFile(join(own, 'cgroup.events'), 'utf8')).to.include('frozen 1');
        await user.ok(['unpause', id], inside);
        await user.ok(['rm', '-f', id], inside);
        expect(await exists(own), own).to.equal(false);
        if (controllers.includes('memory')) {
          const limit = ['run', '--rm', '-m', '64m', 'host', 'cat', '/sys/fs/cgroup/memory.max'];
          expect(await user.ok(limit, inside)).to.equal(String(64 << 20));
        }
      } finally {
        await user.clear();
        await eventually(async () => {
          for (const name of ['caisson', 'own', '.'])
            await rmdir(join(delegated, name)).catch((error: NodeJS.ErrnoException) => {
              if (error.code !== 'ENOENT') throw error;
            });
        });
      }
    });

    it('A container has volumes with the rights of its user, and no more', async () => {
      const shared = join(user.home, 'shared');
      await mkdir(shared, { mode: 0o777 });
      await chmod(shared, 0o777);
      const secret = join(user.directory, 'secret');
      await writeFile(secret, 'of root', { mode: 0o600 });
      await user.ok([
        'run',
        '--rm',
        '-v',
        `${shared}:/v`,
        'host',
        'sh',
        '-c',
        'touch /v/root; chown 5 /v/root',
      ]);
      expect((await stat(join(shared, 'root'))).uid).to.equal(SUBUID + 4);
      const read = await user.caisson([
        'run',
        '--rm',
        '--privileged',
        '-v',
        `${user.directory}:/v`,
        'host',
        'cat',
        '/v/secret',
      ]);
      expect(read.stdout).to.equal('');
      expect(read.stderr).to.include('Permission denied');
      await rm(shared, { recursive: true });
    });

    it('A container cannot make devices, use those of root, or leave its root', async () => {
      const node =
        'mknod /tmp/null c 1 3 2>&1; mknod /dev/sda b 8 0 2>&1; ls /dev/sda /tmp/null 2>&1';
      const said = (await user.caisson(['run', '--rm', '--privileged', 'host', 'sh', '-c', node]))
        .stdout;
      expect(said)
        .to.include('Operation not permitted')
        .and.not.match(/^\/(dev|tmp)/m);
      const zero = 'head -c 3 /dev/zero | od -An -tx1; echo x >/dev/null; test -c /dev/tty';
      expect(await user.ok(['run', '--rm', 'host', 'sh', '-c', zero])).to.equal(' 00 00 00');
      if (existsSync('/dev/fuse') && ((await stat('/dev/fuse')).mode & 0o006) === 0) {
        const open = [
          'run',
          '--rm',
          '--privileged',
          '--device',
          '/dev/fuse',
          'host',
          'sh',
          '-c',
          ': </dev/fuse',
        ];
        expect((await user.caisson(open)).code).to.not.equal(0);
      }
      const devices = [
        'run',
        '--rm',
        '--device',
        '/dev/zero:/dev/deep/nil',
        'host',
        'sh',
        '-c',
        'head -c 2 /dev/deep/nil | od -An -tx1',
      ];
      expect(await user.ok(devices)).to.equal(' 00 00');
    });

    it('B6: a run’s writable layer can have a size', async function () {
      const size = ['--storage-opt', 'size=16m'];
      const fill = 'dd if=/dev/zero of=/var/tmp/x bs=64k; stat -c %s /var/tmp/x; rm /var/tmp/x';
      const said = await user.caisson(['run', '--rm', ...size, 'host', 'sh', '-c', fill]);
      if (said.stderr.includes('user attributes on a tmpfs'))
        skip(this, 'this kernel has no user attributes on a tmpfs');
      expect(said.stderr).to.match(/No space left on device/);
      expect(Number(said.stdout)).to.be.within(15 * 2 ** 20, 16 * 2 ** 20);
      // What overlay has to note of a directory is noted in memory, too.
      const opaque = ['sh', '-c', 'ls /home; rm -r /home && mkdir /home && ls /home'];
      const root = ['--rootfs', user.busybox()];
      expect(await user.ok(['run', '--rm', ...size, ...root, ...opaque])).to.equal('user');
    });

    it('B6: a detached container cannot have a layer with a size, and is not made', async () => {
      const said = await user.fails(['create', '--storage-opt', 'size=16m', 'host', 'true'], {}, 1);
      expect(said)
        .to.match(/a rootless container whose files outlive its run/)
        .and.match(/as root, or for a container that is removed when it ends/);
      expect(await readdir(user.containers)).to.deep.equal([]);
    });

    it('A container keeps what it has from all other users', async () => {
      const { id } = await started('host', ...SLEEP);
      const sockets = join(user.directory, 'run/caisson/supervisors');
      // By short paths, as those of sockets have to be: before Node 26 a longer one was cut off, and not refused.
      const path = relative(user.directory, join(sockets, id));
      expect(await knock(65_534, user.directory, path)).to.equal('EACCES');
      // Root may, of course: it is there.
      expect(await knock(0, sockets, id)).to.equal('in');
      for (const path of [
        user.containers,
        join(user.directory, 'run/caisson'),
        join(user.containers, id),
      ])
        expect((await stat(path)).mode & 0o077, path).to.equal(0);
      await user.ok(['rm', '-f', id]);
    });

    it('A program runs a rootless container as root has it', async () => {
      const came = (await user.fixture('rootless-run')) as Record<string, Came>;
      const of = (name: string) => came[name] ?? expect.fail(`no ${name}`);
      expect(of('streams')).to.include({ exitCode: 7, stdout: 'out\n', stderr: 'err\n' });
      expect(of('streams').steps).to.include.members([
        'clone',
        'overlay.make',
        'root.pivot',
        'exec',
      ]);
      expect(of('missing').code).to.equal('ERR_COMMAND_NOT_FOUND');
      expect(of('timeout')).to.include({ exitCode: 137, signal: 'SIGKILL', timedOut: true });
      expect(of('aborted')).to.include({ exitCode: 137, signal: 'SIGKILL', aborted: true });
      expect(of('stdin')).to.include({ exitCode: 0, stdout: 'typed in' });
      expect(of('early')).to.include({ exitCode: 137, signal: 'SIGKILL' });
      expect(of('signal')).to.include({ exitCode: 3, stdout: 'ready\n' });
      expect(of('limit')).to.include({ exitCode: 137, outputTruncated: true });
      expect(of('much')).to.include({ exitCode: 0, stdout: '3000000' });
      expect(of('unread')).to.include({ exitCode: 0 });
      expect(of('stuck')).to.include({ exitCode: 137, timedOut: true });
      expect(of('fed')).to.include({ exitCode: 137, timedOut: false });
      expect(of('fed, timeout')).to.include({ exitCode: 137, timedOut: true });
      expect(of('terminal')).to.include({ exitCode: 0 });
      // Where the echo of what was typed comes is a matter of time.
      for (const text of ['/dev/pts/0\r\n', '11 33\r\n', 'got abc\r\n'])
        expect(of('terminal').stdout).to.include(text);
      expect(of('unseen')).to.include({ exitCode: 0, stdout: '' });
      expect(of('inherit')).to.include({ exitCode: 4, stdout: of('own').stdout });
      expect(of('several').stdout).to.equal('0\n1\n2\n3\n4\n5\n6\n7\n');
      expect(of('left').stdout).to.equal('0');
    });

    it('A start leaves nothing when any of its steps fails, or its caller is killed', async function () {
      this.timeout(600_000);
      const { tried, complaints } = (await user.fixture('rootless-faults', {
        CAISSON_NATIVE: join(user.directory, 'package/build/Debug'),
      })) as RootlessFaults;
      expect(complaints).to.deep.equal([]);
      expect(tried).to.be.above(200);
    });

    it('A container ends with the program that runs it', async () => {
      const program = join(
        user.directory,
        'package/dist/test/integration/fixtures/rootless-hold.js',
      );
      const child = user.start([process.execPath, program]);
      await once(child.stdout!, 'data');
      const inside = () => user.processes().length;
      expect(inside()).to.be.above(2);
      child.kill('SIGKILL');
      await user.expectNothing();
    });

    it('A container is removed by the next engine, when its program was killed before it was started', async () => {
      const program = 'package/dist/test/integration/fixtures/rootless-hold.js';
      await user.run([process.execPath, join(user.directory, program), 'early']);
      expect(await readdir(user.containers)).to.have.lengthOf(1);
      await user.fixture('rootless-run');
      await user.expectNothing();
    });

    it('A container is removed by the next engine, also in its process, when a worker was terminated before it was started', async () => {
      expect(await user.fixture('rootless-hold', {}, ['worker'])).to.deep.equal([1, 0]);
    });
  });

  describe('errors of rootless containers', () => {
    before(function () {
      if (!existsSync('/usr/bin/newuidmap')) skip(this, 'newuidmap is not installed');
    });

    const RUN = ['run', '--rm', 'host', 'true'];

    it('An error names a /proc with hidden parts, and what shows them', async () => {
      const said = await user.fails(RUN, { before: 'mount -t tmpfs none /proc/bus' });
      expect(said).to.include('mount proc').and.include('systempaths=unconfined');
    });

    it('An error names a helper that is not set-user-id', async () => {
      const plain = join(user.directory, 'newuidmap');
      const said = await user.fails(RUN, {
        before: `install -m 755 /usr/bin/newuidmap '${plain}'; mkdir -p '${user.directory}/path'; ln -sf '${plain}' '${user.directory}/path/newuidmap'`,
        env: { PATH: `${user.directory}/path:${process.env['PATH']}` },
      });
      expect(said).to.include('newuidmap could not map').and.include('not set-user-id root');
    });

    it('An error names what takes the rights of a helper', async () => {
      const said = await user.fails(RUN, { within: ['setpriv', '--no-new-privs'] });
      expect(said).to.include('no-new-privileges').and.include('NoNewPrivileges=no');
    });

    it('An error names a helper that is missing, and the container runs with one id', async () => {
      const root = user.busybox();
      // What is covered there cannot be executed.
      const missing: RunAs = { before: 'mount --bind /dev/null /usr/bin/newgidmap' };
      const run = (...args: string[]) => ['run', '--rm', '--rootfs', root, ...args];
      const map = await user.ok(run('cat', '/proc/self/uid_map'), missing);
      expect(map.trim().split(/\s+/)).to.deep.equal(['0', String(UID), '1']);
      const said = await user.fails(['run', '--rm', '-u', '33', '--rootfs', root, 'true'], missing);
      expect(said).to.include('newgidmap is not installed').and.include('uidmap');
    });

    it('An error names the switch that forbids user namespaces', async () => {
      // The switch belongs to each user namespace: root of one turns it against the users in it.
      const inside = [
        ...['unshare', '--user', '--map-root-user', '--map-auto', 'sh', '-c'],
        'echo 0 >/proc/sys/user/max_user_namespaces; mkdir -m 777 "$HOME/h"; export HOME="$HOME/h" XDG_RUNTIME_DIR=; unset XDG_RUNTIME_DIR; export TMPDIR="$HOME"; exec setpriv --reuid 1 --regid 1 --clear-groups "$@"',
        ...['sh', process.execPath, user.bin, ...RUN],
      ];
      const { code, stderr } = await user.run(inside);
      expect(code, stderr).to.equal(125);
      expect(stderr)
        .to.include('user.max_user_namespaces forbids it')
        .and.include('as root: sysctl');
    });

    it('An error names a root in which something is mounted', async () => {
      const root = user.busybox();
      const before = `mkdir -p '${root}/mnt'; mount -t tmpfs none '${root}/mnt'`;
      const said = await user.fails(['run', '--rm', '--rootfs', root, 'true'], { before });
      expect(said).to.include(root).and.include('mounted below it');
    });

    it('An error names what limits and pausing need', async () => {
      const limit = await user.fails(['run', '--rm', '-m', '64m', 'host', 'true']);
      expect(limit).to.include('--memory').and.include('Delegate=');
      const id = await user.ok(['run', '-d', 'host', ...SLEEP]);
      expect(await user.fails(['pause', id], {}, 1)).to.include('Delegate=');
      expect(await user.ok(['inspect', '--format', '{{.State.Status}}', id])).to.equal('running');
      await user.ok(['rm', '-f', id]);
    });

    it('A directory that belongs to another user is not used', async () => {
      const temporary = join(user.directory, 'tmp');
      const taken = join(temporary, `caisson-${UID}`);
      await mkdir(taken, { recursive: true, mode: 0o777 });
      const env = { XDG_RUNTIME_DIR: '', TMPDIR: temporary };
      expect(await user.fails(['ps'], { env }, 1)).to.include(taken);
      await rm(taken, { recursive: true });
      await chmod(temporary, 0o1777);
      await user.ok(['ps'], { env });
      const { mode, uid } = await stat(taken);
      expect([mode & 0o7777, uid]).to.deep.equal([0o700, UID]);
      // Nor one that others may enter, though the user asked for it.
      const open = join(user.directory, 'open');
      await mkdir(open, { mode: 0o777 });
      await chmod(open, 0o777);
      await user.ok(['ps'], { env: { XDG_RUNTIME_DIR: open, TMPDIR: temporary } });
      expect(await readdir(open)).to.deep.equal([]);
      expect(await user.fails(['ps'], { env: { HOME: '/root' } }, 1)).to.include('/root/.local');
    });
  });
});

/** What a process reads that connects to a socket. */
async function knock(uid: number, cwd: string, path: string): Promise<string> {
  const script = `
    const say = (text) => { console.log(text); process.exit(0); };
    require('net').connect(process.argv[1]).on('error', (e) => say(e.code)).on('connect', () => say('in'));`;
  const ids = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups'];
  const args = [...ids, process.execPath, '-e', script, path];
  const { stdout } = await promisify(execFile)('setpriv', args, { cwd });
  return stdout.trim();
}
