/**
 * `--network pasta` and `slirp4netns`, of root's containers and of rootless ones: what they reach and what not, and
 * that what passes on their packets is gone with them. All traffic stays in a network of the test's own.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { userNamespaceSwitch } from '../../lib/host/user-namespaces.js';
import {
  type CommandLineUser,
  refused,
  removeContainers,
  root,
  succeeded,
  unprivileged,
  untilLogged,
} from '../support/outer-users.js';
import { UID } from '../support/unprivileged-user.js';
import {
  GATEWAY,
  LOOPBACK_PORT,
  NAMESERVER,
  OuterNetwork,
  PORT,
  SERVER,
} from '../support/outer-network.js';
import { eventually, supervisorsOf, statusOf } from '../support/outside.js';
import { skip } from '../support/skip.js';

const MODES = ['pasta', 'slirp4netns'] as const;
type Mode = (typeof MODES)[number];
const PACKAGES: Readonly<Record<Mode, string>> = { pasta: 'passt', slirp4netns: 'slirp4netns' };
const SLEEP = ['sleep', '1000'];
/** Connects, says a word, and writes what it gets; fails after so many seconds. */
const dialing = (address: string, port: number, patience = 60): string[] => [
  ...[
    'timeout',
    String(patience),
    'bash',
    '-c',
    'exec 3<>/dev/tcp/$0/$1 && echo hello >&3 && cat <&3',
  ],
  ...[address, String(port)],
];
const SERVE =
  '$| = 1; my $s = IO::Socket::INET->new(LocalPort => shift, Listen => 5) or die; print "ready\\n"; ' +
  'while (my $c = $s->accept) { <$c>; print $c "inside\\n"; close $c }';

const SERVING = ['perl', '-MIO::Socket::INET', '-e', SERVE, '80'];

async function firstLine(child: ChildProcess): Promise<unknown> {
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
  return JSON.parse(line);
}

/** Processes with their parents and commands: those that have not ended. */
function processes(): { pid: number; parent: number; command: string; net: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (/^[ZX]/.test(state)) return [];
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        const net = readlinkSync(`/proc/${name}/ns/net`);
        return [{ pid: Number(name), parent: Number(parent), command, net }];
      } catch {
        return []; // it has just ended
      }
    });
}

/** What stands beside a container: the supervisor, by the network that it lends, and whom it keeps. */
function helperOf(pid: number): { supervisor: number; helper: number } {
  const net = readlinkSync(`/proc/${pid}/ns/net`);
  const all = processes();
  const supervisors = all.filter((one) => one.net === net && one.command.includes(' helper '));
  expect(supervisors, 'supervisors').to.have.length(1);
  const supervisor = supervisors[0]!.pid;
  const children = all.filter(({ parent }) => parent === supervisor);
  expect(children, 'helpers').to.have.length(1);
  return { supervisor, helper: children[0]!.pid };
}

/** A place for $PATH, with programs that never say that they are ready. They are known by their command. */
class Silent {
  private constructor(private readonly directory: string) {}

  static async make(): Promise<Silent> {
    const directory = await mkdtemp(join(tmpdir(), 'caisson-silent-'));
    await chmod(directory, 0o755);
    const silent = new Silent(directory);
    for (const mode of MODES) {
      const path = join(directory, mode);
      const script = `#!/bin/sh\n[ -e ${directory}/begun ] || exec /usr/bin/${mode} "$@"\n`;
      await writeFile(path, `${script}${silent.command} & exec ${silent.command}\n`);
      await chmod(path, 0o755);
    }
    return silent;
  }

  private get command(): string {
    return `sleep 1000.${process.pid}`;
  }

  /** From now on; before, they are the programs themselves. */
  async begin(): Promise<void> {
    await writeFile(join(this.directory, 'begun'), '');
  }

  get path(): string {
    return `${this.directory}:${process.env['PATH'] ?? ''}`;
  }

  get before(): string {
    return `export PATH='${this.path}'`;
  }

  running(): number {
    return processes().filter(({ command }) => command.trim() === this.command).length;
  }

  async waits(): Promise<void> {
    await eventually(() => expect(this.running(), 'helpers').to.equal(2), 30_000);
  }

  async cleanUp(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

function isThere(pid: number): boolean {
  return processes().some((one) => one.pid === pid);
}

/** proc_pid_mountinfo(5) */
const mountPointOf = (line: string) => line.split(' ')[4];

const gone = (...pids: readonly number[]) =>
  eventually(() => expect(pids.filter(isThere)).to.deep.equal([]));

describe('a network in user mode', function () {
  this.timeout(120_000);
  let outer: OuterNetwork;

  before(async function () {
    const missing = OuterNetwork.missing();
    if (missing !== undefined) skip(this, missing);
    outer = await OuterNetwork.make();
  });
  after(() => (outer as OuterNetwork | undefined)?.cleanUp());

  const PEOPLE = { 'of root': root, 'of an unprivileged user': unprivileged } as const;
  for (const [whose, make] of Object.entries(PEOPLE)) {
    describe(whose, () => {
      let user: CommandLineUser;

      before(async function () {
        const forbidden = make === root ? undefined : userNamespaceSwitch();
        if (forbidden !== undefined) skip(this, `${forbidden.name} forbids user namespaces`);
        user = await make(outer);
      });
      after(() => (user as CommandLineUser | undefined)?.cleanUp());
      afterEach(async () => {
        await removeContainers(user);
        await eventually(() => expect(outer.guests(), 'processes').to.deep.equal([]));
      });

      const ok = (args: readonly string[], before?: string) => succeeded(user, args, before);
      const fails = (args: readonly string[], before?: string) => refused(user, args, before);
      const started = async (...args: readonly string[]) => {
        const id = await ok(['run', '-d', ...args]);
        return { id, pid: await pidOf(id) };
      };
      const pidOf = async (id: string) =>
        Number(await ok(['inspect', '--format', '{{.State.Pid}}', id]));
      const dial = (id: string, address: string, port = PORT, patience?: number) =>
        user.caisson(['exec', id, ...dialing(address, port, patience)]);
      const reaches = async (id: string) => {
        const { stdout, stderr } = await dial(id, SERVER);
        expect(stdout, stderr).to.equal('outside\n');
      };

      for (const mode of MODES) {
        describe(mode, () => {
          before(function () {
            if (existsSync(`/usr/bin/${mode}`)) return;
            skip(this, `the package ${PACKAGES[mode]} is not installed`);
          });

          it('A network reaches what the host reaches, from the first moment on, and not its loopback', async () => {
            const run = ['run', '--rm', '--network', mode, 'host', ...dialing(SERVER, PORT)];
            expect(await ok(run)).to.equal('outside');
            const { id } = await started('--network', mode, 'host', ...SLEEP);
            await reaches(id);
            // The gateways stand for the host unless that is forbidden.
            await Promise.all(
              ['127.0.0.1', '10.0.2.2', GATEWAY].map(async (address) => {
                const { code, stdout } = await dial(id, address, LOOPBACK_PORT, 3);
                expect(code, `${address} ${stdout}`).to.not.equal(0);
                expect(stdout, address).to.equal('');
              }),
            );
          });

          it('A network has the host’s name server, and its search list, although that is on its loopback', async () => {
            const { id } = await started('--network', mode, 'host', ...SLEEP);
            const resolv = await ok(['exec', id, 'cat', '/etc/resolv.conf']);
            expect(resolv).not.to.include(NAMESERVER);
            expect(resolv).to.include('search example.org');
            expect(await ok(['exec', id, 'getent', 'ahostsv4', 'any.example.com'])).to.include(
              SERVER,
            );
            const own = ['run', '--rm', '--network', mode, '--dns', '192.0.2.53'];
            expect(await ok([...own, 'host', 'cat', '/etc/resolv.conf'])).to.include(
              'nameserver 192.0.2.53',
            );
          });

          it('A network is passed on by a process without rights over anything, which has nothing of the host', async () => {
            const { pid } = await started('--network', mode, 'host', ...SLEEP);
            const { supervisor, helper } = helperOf(pid);
            for (const one of [supervisor, helper]) {
              const status = await statusOf(one);
              const ids = (status['Uid'] ?? '').split(/\s+/);
              if (make === root) expect(ids, 'Uid').not.to.include('0');
              else expect(new Set(ids), 'Uid').to.deep.equal(new Set([String(UID)]));
            }
            expect((await statusOf(supervisor))['CapPrm']).to.match(/^0+$/);
            const status = await statusOf(helper);
            expect(status['Seccomp']).to.equal('2');
            expect(status['NoNewPrivs']).to.equal('1');
            // Its streams, sockets, the tap device, and what else such a program makes: no file or directory.
            for (const fd of await readdir(`/proc/${helper}/fd`)) {
              const what = readlinkSync(`/proc/${helper}/fd/${fd}`);
              expect(what).to.match(
                /^(socket:|pipe:|anon_inode:|net:|\/dev\/null$|\/dev\/net\/tun$)/,
              );
            }
          });

          it('A network ends with its container, however that ends', async () => {
            const ends: Record<string, (id: string, pid: number) => Promise<unknown>> = {
              'rm -f': (id) => ok(['rm', '-f', id]),
              'its program was killed': (_, pid) => Promise.resolve(process.kill(pid, 'SIGKILL')),
              'its supervisor was killed': (id) =>
                Promise.resolve(supervisorsOf(id).forEach((one) => process.kill(one, 'SIGKILL'))),
            };
            for (const [how, end] of Object.entries(ends)) {
              const { id, pid } = await started('--network', mode, 'host', ...SLEEP);
              const { supervisor, helper } = helperOf(pid);
              await end(id, pid);
              // Who has been told that it is gone finds nothing.
              if (how === 'rm -f')
                expect([supervisor, helper].filter(isThere), how).to.deep.equal([]);
              await gone(pid, supervisor, helper);
            }
          });

          it('A network ends with its supervisor, and the container has none until it is started again', async () => {
            const { id, pid } = await started('--network', mode, 'host', ...SLEEP);
            const { supervisor, helper } = helperOf(pid);
            process.kill(supervisor, 'SIGKILL');
            await gone(supervisor, helper);
            expect((await dial(id, SERVER, PORT, 3)).stdout).to.equal('');
            await ok(['restart', '-t', '0', id]);
            const again = helperOf(await pidOf(id));
            expect(again.supervisor).not.to.equal(supervisor);
            await reaches(id);
          });

          it('A network ends with the Node process whose container it is', async () => {
            const run = await firstLine(user.fixture('network-run', mode));
            const { child, pid } = run as { child: number; pid: number };
            const { supervisor, helper } = helperOf(pid);
            process.kill(child, 'SIGKILL');
            await gone(child, pid, supervisor, helper);
          });

          it('A network is there again when its supervisor has restarted it', async () => {
            const flags = ['--restart', 'on-failure:1', '--network', mode];
            const { id, pid } = await started(...flags, 'host', ...SLEEP);
            const before = helperOf(pid);
            process.kill(pid, 'SIGKILL');
            await gone(before.supervisor, before.helper);
            const next = await eventually(async () => {
              const now = await pidOf(id);
              expect(now).not.to.equal(pid).and.not.equal(0);
              return now;
            });
            helperOf(next);
            await reaches(id);
          });

          it('A network works where its user namespace is the host’s, and does nothing to the host’s mounts', async () => {
            const run = ['run', '-d', '--network', mode, '--userns', 'host', 'host', ...SLEEP];
            // As those of most machines are.
            const id = await ok(run, 'mount --make-rshared /');
            await reaches(id);
            const mounts = async (pid: number | 'self') =>
              (await readFile(`/proc/${pid}/mountinfo`, 'utf8')).split('\n').map(mountPointOf);
            const [supervisor = 0] = supervisorsOf(id);
            // Without those that tests beside this one make and remove.
            const host = (await mounts('self')).filter(
              (path) => path?.startsWith(tmpdir()) !== true,
            );
            expect(await mounts(supervisor)).to.include.members(host);
          });

          describe('a network that never reports readiness', () => {
            let silent: Silent;
            beforeEach(async () => {
              silent = await Silent.make();
            });
            afterEach(() => silent.cleanUp());

            it('A network that never reports readiness ends with its run: by a timeout, an AbortSignal, and kill()', async () => {
              await silent.begin();
              const child = user.fixture('network-ends', mode, { PATH: silent.path });
              const ends = (await firstLine(child)) as Record<string, unknown>[];
              // 30 seconds are what it would have had.
              for (const { durationMs } of ends) expect(durationMs).to.be.within(1900, 20_000);
              const killed = { exitCode: 137, signal: 'SIGKILL', started: 'ERR_ABORTED' };
              expect(ends.map(({ durationMs: _, ...rest }) => rest)).to.deep.equal([
                { ...killed, timedOut: true, aborted: false },
                { ...killed, timedOut: false, aborted: true },
                { ...killed, timedOut: false, aborted: false },
              ]);
              // Who has been told that it is over finds nothing.
              expect(silent.running()).to.equal(0);
              await once(child, 'close');
              expect(await ok(['ps', '-aq'])).to.equal('');
            });

            it('A network that never reports readiness ends with the Node process whose container it was to be for', async () => {
              await silent.begin();
              const child = user.fixture('network-run', mode, { PATH: silent.path });
              await silent.waits();
              // What it was started by has become it.
              const itself = processes().find(({ pid }) => pid === child.pid);
              expect(itself?.command).to.include('network-run');
              child.kill('SIGKILL');
              await once(child, 'close');
              await eventually(() => expect(silent.running()).to.equal(0));
              await eventually(async () => expect(await ok(['ps', '-aq'])).to.equal(''));
            });

            for (const end of [['stop', '-t', '300'], ['kill'], ['rm', '-f']]) {
              it(`A network that never reports readiness ends with a start, by ${end.join(' ')}`, async () => {
                await silent.begin();
                await ok(['create', '--name', 'slow', '--network', mode, 'host', ...SLEEP]);
                const start = user.caisson(['start', 'slow'], silent.before);
                await silent.waits();
                const began = performance.now();
                await ok([...end, 'slow']);
                expect(performance.now() - began).to.be.below(20_000);
                expect(silent.running()).to.equal(0);
                const { code, stderr } = await start;
                expect(code, stderr).to.equal(1);
                expect(stderr).to.include('killed before its program was started');
                if (end[0] === 'rm') expect(await ok(['ps', '-aq'])).to.equal('');
                else
                  expect(await ok(['inspect', '-f', '{{.State.Status}}', 'slow'])).to.equal(
                    'created',
                  );
              });
            }

            it('A network that never reports readiness ends with a restart, by stop', async () => {
              const flags = ['--name', 'slow', '--restart', 'always', '--network', mode];
              await ok(['run', '-d', ...flags, 'host', ...SLEEP], silent.before);
              await silent.begin();
              const [id = '', pid] = [
                await ok(['inspect', '-f', '{{.Id}}', 'slow']),
                await pidOf('slow'),
              ];
              process.kill(pid, 'SIGKILL');
              await silent.waits();
              const began = performance.now();
              await ok(['stop', '-t', '300', 'slow']);
              expect(performance.now() - began).to.be.below(20_000);
              expect(silent.running()).to.equal(0);
              const state = '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}';
              expect(await ok(['inspect', '-f', state, 'slow'])).to.equal(
                'exited 137 it was killed before its program was started',
              );
              await eventually(() => expect(supervisorsOf(id)).to.deep.equal([]));
            });
          });

          it('A network is refused where the program is missing, before anything is made', async () => {
            const hide = `mount --bind /dev/null /usr/bin/${mode}`;
            const said = await fails(['run', '--network', mode, 'host', 'true'], hide);
            expect(said).to.include(`${mode} is not installed`).and.include(PACKAGES[mode]);
            expect(await ok(['ps', '-aq'])).to.equal('');
          });

          it('A network is refused where the tap device may not be opened', async () => {
            const hide = `chmod 0755 / && mount -t tmpfs -o mode=0755 none /dev/net && mknod -m 0600 /dev/net/tun c 10 200`;
            const said = await fails(['run', '--network', mode, 'host', 'true'], hide);
            expect(said).to.include('/dev/net/tun').and.include('chmod 0666');
            const none = 'mount -t tmpfs -o mode=0755 none /dev/net';
            const missing = await fails(['run', '--network', mode, 'host', 'true'], none);
            expect(missing).to.include('modprobe tun');
            expect(await ok(['ps', '-aq'])).to.equal('');
          });

          it('The command info tells what networks are possible here', async () => {
            const { Abilities: abilities } = JSON.parse(await ok(['info', '--format', 'json'])) as {
              Abilities: { name: string; available: boolean }[];
            };
            const found = abilities.find(({ name }) => name === mode);
            expect(found?.available).to.equal(true);
          });
        });
      }

      it('A network has pasta’s options: ports of the host that lead inside, and no others', async function () {
        if (!existsSync('/usr/bin/pasta')) skip(this, 'pasta is not installed');
        const flags = ['--network', 'pasta:-t,18080:80,--mtu,1400'];
        const { id } = await started(...flags, 'host', ...SERVING);
        await untilLogged(user, id, 'ready');
        const from = (port: number, address = SERVER) =>
          outer.run(...dialing(address, port)).catch(() => 'refused');
        expect(await from(18080)).to.equal('inside\n');
        expect(await from(18080, '127.0.0.1')).to.equal('inside\n');
        expect(await from(80)).to.equal('refused');
        expect(await ok(['exec', id, 'cat', '/sys/class/net/outside/mtu'])).to.equal('1400');
        // The port is free when who has had it is said to have ended.
        await ok(['restart', '-t', '0', id]);
        await eventually(async () => expect(await from(18080)).to.equal('inside\n'));
        expect(await ok(['ps', '--filter', 'network=pasta', '--format', '{{.Networks}}'])).to.equal(
          'pasta',
        );
      });

      it('A network has slirp4netns’s options, as podman spells them', async function () {
        if (!existsSync('/usr/bin/slirp4netns')) skip(this, 'slirp4netns is not installed');
        const network = 'slirp4netns:cidr=10.9.8.0/24,mtu=1400,allow_host_loopback=true';
        const { id } = await started('--network', network, 'host', ...SLEEP);
        expect(await ok(['exec', id, 'cat', '/etc/resolv.conf'])).to.include('nameserver 10.9.8.3');
        expect(await ok(['exec', id, 'cat', '/sys/class/net/tap0/mtu'])).to.equal('1400');
        expect((await dial(id, '10.9.8.2', LOOPBACK_PORT)).stdout).to.equal('loopback\n');
      });

      it('A network is refused with what the program says', async function () {
        if (!existsSync('/usr/bin/pasta')) skip(this, 'pasta is not installed');
        const run = ['run', '--name', 'lost', '--network', 'pasta:--interface,nosuch'];
        const said = await fails([...run, 'host', 'true']);
        expect(said).to.include('pasta could not give the container a network: ');
        expect(said).to.include('nosuch');
        expect(await ok(['inspect', '--format', '{{.State.Status}}', 'lost'])).to.equal('created');
        expect(outer.guests()).to.deep.equal([]);
      });
    });
  }
});
