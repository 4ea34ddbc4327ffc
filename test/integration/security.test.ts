/**
 * Mistakes that other runtimes made: one test each, which fails on an engine that makes it again. Those of joining
 * a container are in exec-security.test.ts.
 *
 * Not here, because what they are about does not exist yet:
 *
 *   CVE-2018-15664, CVE-2019-14271                   there is no cp
 *   CVE-2014-8989, CVE-2023-25809                    starting needs root: setgroups need not be given up, and
 *                                                    there is no rootless cgroup mount
 *   CVE-2025-52881 (labels)                          hardening/labels.test.ts has AppArmor's; its sysctls are here
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunOptions } from '../../lib/engine/options/options.js';
import type { RootfsImage, RootfsOptions } from '../../lib/image/rootfs.js';
import { CaissonError, type ErrorCode, type RunResult } from '../../lib/index.js';
import { exchange } from '../support/exchange.js';
import { fixture } from '../support/paths.js';
import { statusOf, tracesOf } from '../support/outside.js';
import { sample } from '../support/sample.js';
import type { Session } from '../support/session.js';
import { needsCgroups, needsControllers, needsRoot } from '../support/needs.js';
import { Workshop } from '../support/workshop.js';
import type { InheritedReport } from './fixtures/inherited.js';

const sh = (command: string) => ['sh', '-c', command];

/** System call numbers by architecture, for perl: asm/unistd.h. */
const SYSCALL = {
  x64: { ptrace: 101 },
  arm64: { ptrace: 117 },
}[process.arch as 'x64' | 'arm64'];

const nodes = needsRoot('device nodes');
const inherited = needsRoot('groups to choose, and a cleanup helper');
const cgroups = needsCgroups();
const memory = needsControllers('memory');

describe('security', function () {
  this.timeout(120_000);
  let shop: Workshop;
  /** A directory of the host that no container was given: it stays as it is. */
  let outside: string;

  before(async () => {
    shop = await Workshop.open();
    outside = shop.path('outside');
    await mkdir(join(outside, 'kept'), { recursive: true });
    await writeFile(join(outside, 'file'), 'of the host');
  });

  after(() => shop.close());

  /** What containers must not have touched. */
  const untouched = async () => {
    expect(await readdir(outside)).to.have.members(['kept', 'file']);
    expect(await readdir(join(outside, 'kept'))).to.deep.equal([]);
    expect(await readFile(join(outside, 'file'), 'utf8')).to.equal('of the host');
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.to.include(shop.directory);
  };

  afterEach(untouched);

  /** A start that has to fail: its error. */
  const refused = async (
    image: string | RootfsImage,
    options: RunOptions,
    argv: readonly string[] = ['true'],
  ): Promise<CaissonError> => {
    const execution = shop.engine.run(image, argv, options);
    const outcome = await execution.then(
      (result) => result,
      (error: unknown) => error,
    );
    expect(outcome, JSON.stringify(outcome)).to.be.instanceOf(CaissonError);
    expect(await tracesOf(execution.id, shop.path('data'))).to.deep.equal([]);
    return outcome as CaissonError;
  };

  /** Either is fine, as long as it is nothing else. */
  const startedOrRefused = async (
    image: string | RootfsImage,
    options: RunOptions,
    argv: readonly string[],
  ): Promise<RunResult | CaissonError> =>
    shop.engine.run(image, argv, options).catch((error: unknown) => {
      if (error instanceof CaissonError) return error;
      throw error;
    });

  let copies = 0;
  /** A root of its own, to be made evil. */
  const copy = (options?: RootfsOptions) => shop.copyOfBusybox(`root-${copies++}`, options);

  /** Puts a link in the place of whatever is there. */
  const replaceByLink = async (root: RootfsImage, name: string, target: string) => {
    await rm(join(root.path, name), { recursive: true, force: true });
    await symlink(target, join(root.path, name));
  };

  /** Ways for a link to lead out of a root, if it were followed from the host's. */
  const escapes = () => [outside, `../../../../../../../../../../..${outside}`];

  describe('pid 1 and the runtime itself', () => {
    it('The runtime is no file that a container could overwrite (CVE-2019-5736)', async () => {
      await using session: Session = await shop.session({ capAdd: ['SYS_PTRACE'] });
      const pid = await session.pid(1);
      // Inside, with every right to look:
      expect(await session.sh('readlink /proc/1/exe')).to.match(/^\/memfd:caisson-init/);
      expect((await session.try('(: >>/proc/1/exe)')).output).to.match(
        /Text file busy|not permitted/,
      );
      expect((await session.try('cp /bin/busybox /proc/1/exe')).code).not.to.equal(0);
      // Outside: F_GET_SEALS says that neither size nor content nor the seals can change.
      const seals = execFileSync('perl', [
        '-e',
        'open my $f, "<", $ARGV[0] or die $!; print fcntl($f, 1034, 0)',
        `/proc/${pid}/exe`,
      ]);
      const [SEAL, SHRINK, GROW, WRITE] = [1, 2, 4, 8];
      expect(Number(seals) & 15).to.equal(SEAL | SHRINK | GROW | WRITE);
      // Nothing of the host is mapped into it: neither node nor a file that others could change.
      const maps = await readFile(`/proc/${pid}/maps`, 'utf8');
      const files = maps.split('\n').flatMap((line) => /\s(\/.*)$/.exec(line)?.[1] ?? []);
      expect(new Set(files.map((name) => name.replace(/ \(deleted\)$/, '')))).to.deep.equal(
        new Set(['/memfd:caisson-init', '/memfd:caisson-page']),
      );
    });

    for (const init of [true, false]) {
      it(`The program runs as itself when the image asks for /proc/self/exe (init ${init})`, async () => {
        const root = copy();
        await writeFile(join(root.path, 'bin/evil'), '#!/proc/self/exe\n');
        await chmod(join(root.path, 'bin/evil'), 0o755);
        const { exitCode, stdout } = await shop.engine.run(root, ['/bin/evil'], { init });
        // caisson-init knows no such subcommand, and ends; node would have said something.
        expect({ exitCode, stdout }).to.deep.equal({ exitCode: 64, stdout: '' });
        await shop.sh('true');
      });
    }

    it('The runtime shows nothing of itself to root inside (CVE-2016-9962)', async () => {
      await using session = await shop.session();
      for (const name of ['environ', 'mem', 'maps', 'auxv', 'stack']) {
        const { code } = await session.try(`head -c1 /proc/1/${name} >/dev/null`);
        expect(code, name).not.to.equal(0);
      }
      for (const name of ['exe', 'cwd', 'root', 'ns/mnt', 'ns/net']) {
        expect((await session.try(`readlink /proc/1/${name}`)).output, name).to.equal('');
      }
      expect(await session.sh('ls /proc/1/fd')).to.equal('');
    });

    it('The runtime cannot be traced by root inside (CVE-2016-9962)', async () => {
      const attach = `print syscall(${SYSCALL.ptrace}, 16, 1, 0, 0) == 0 ? "traced" : "$!"`;
      const { stdout } = await shop.engine.run('host', ['perl', '-e', attach]);
      expect(stdout).to.equal('Operation not permitted');
    });

    it('The runtime holds nothing of the host, even for a process that may trace it', async () => {
      await using session = await shop.session({ capAdd: ['SYS_PTRACE'] });
      expect(await session.sh('ls /proc/1/fd')).to.equal('');
      expect(await session.sh('tr "\\0" "\\n" </proc/1/environ')).to.equal('');
      expect(await session.sh('readlink /proc/1/cwd; readlink /proc/1/root')).to.equal('/\n/');
      const status = await statusOf(await session.pid(1));
      // CAP_KILL, bit 5
      expect([status['CapEff'], status['CapPrm']]).to.deep.equal([
        '0000000000000020',
        '0000000000000020',
      ]);
      expect(status['NoNewPrivs']).to.equal('1');
    });
  });

  describe('descriptors, directory and environment of the host', () => {
    for (const options of [{}, { init: false }, { tty: true }, { userns: 'host' }] as const) {
      it(`A program has no descriptor but 0, 1 and 2: ${JSON.stringify(options)}`, async () => {
        const text = await shop.sh('for f in /proc/[0-9]*/fd/*; do echo $f; done', options);
        const numbers = text
          .trim()
          .split(/\s+/)
          .map((line) => Number(line.split('/').at(-1)))
          .filter((number) => !Number.isNaN(number));
        expect(new Set(numbers.filter((number) => number < 3))).to.deep.equal(new Set([0, 1, 2]));
        // The shell's own, of the directories that it is reading to expand the pattern.
        const others = await shop.sh('for f in /proc/$$/fd/*; do readlink $f; done; true', options);
        for (const target of others.trim().split(/\s+/)) {
          expect(target).to.match(/^(pipe:\[\d+\]|\/dev\/(null|pts\/0|console))$/);
        }
      });
    }

    inherited.it(
      'Descriptors do not leak when Node itself has some that are not close-on-exec',
      async () => {
        // A child that inherits descriptors of a file and a directory of the host, a variable, groups.
        const child = spawn(
          'sh',
          [
            '-c',
            'exec 7<"$0/file" 8<"$0" 9>>"$0/file"; cd "$0"; exec setpriv --groups 4,24,27 "$@"',
            outside,
            process.execPath,
            fixture('inherited'),
            shop.path('inherited-data'),
            shop.path('inherited-run'),
            shop.busybox.path,
          ],
          {
            stdio: ['ignore', 'pipe', 'inherit'],
            env: { ...process.env, SECRET_OF_THE_HOST: 'secret' },
          },
        );
        let text = '';
        child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
        await once(child, 'close');
        const report = JSON.parse(text) as InheritedReport;
        expect(report.ofNode).to.include.members(['7', '8', '9']);
        for (const { descriptors, environment, directory, groups } of report.containers) {
          expect(descriptors).to.deep.equal(['0', '1', '2']);
          expect(environment).to.have.members([
            'A=b',
            'HOME=/root',
            'HOSTNAME=box',
            'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
          ]);
          expect(directory).to.equal('/');
          expect(groups).to.equal('0');
        }
        // Nor in what watches over them.
        expect(report.cleanupHelper.descriptors).to.have.lengthOf(2);
        expect(report.cleanupHelper.descriptors[0]).to.match(/^pipe:/);
        expect(report.cleanupHelper.descriptors[1]).to.match(/^\/memfd:caisson-journal/);
        expect(report.cleanupHelper.environment).to.equal('');
        expect(report.cleanupHelper.directory).to.equal('/');
      },
    );

    it('A descriptor of the host is not a working directory (CVE-2024-21626)', async () => {
      const names = ['/proc/self/cwd', '/proc/self/root', '/proc/1/cwd', '/proc/thread-self/root'];
      for (let fd = 0; fd < 40; fd++) names.push(`/proc/self/fd/${fd}`);
      for (const options of [{}, { userns: 'host' }] as const) {
        for (const workdir of sample(names)) {
          const error = await refused(shop.busybox, { ...options, workdir });
          expect(error.code, workdir).to.equal('ERR_INVALID_WORKDIR');
        }
      }
    });

    it('A descriptor of the host is not reached by a link of the image either (CVE-2024-21626)', async () => {
      for (const target of ['/proc/self/fd/5', '/proc/self/cwd', '/proc/self/fd']) {
        const root = copy();
        await symlink(target, join(root.path, 'escape'));
        const result = await startedOrRefused(root, { workdir: '/escape' }, sh('pwd; ls /proc/1'));
        if (result instanceof CaissonError) expect(result.code).to.equal('ERR_INVALID_WORKDIR');
        else expect(result.stdout).to.match(/^\/proc\/\d+\/fd\n/);
      }
    });
  });

  describe('links in the image', () => {
    for (const name of ['proc', 'sys']) {
      it(`A link /${name} is refused (CVE-2019-19921, CVE-2023-27561)`, async () => {
        for (const options of [{}, { userns: 'host' }] as const) {
          const root = copy(options.userns === undefined ? {} : { writable: 'direct' });
          for (const target of ['tmp', '/tmp', ...escapes()]) {
            await replaceByLink(root, name, target);
            const error = await refused(root, options);
            expect(error.code).to.equal('ERR_START_FAILED');
            expect(error.step).to.equal('mount.fs');
            expect(error.path).to.equal(`/${name}`);
            expect(error.errno).to.equal('ENOTDIR');
            expect(await readdir(join(root.path, 'tmp'))).to.deep.equal([]);
          }
        }
      });

      it(`A file /${name} is refused`, async () => {
        const root = copy();
        await rmdir(join(root.path, name));
        await writeFile(join(root.path, name), '');
        const error = await refused(root, {});
        expect(error.errno).to.equal('ENOTDIR');
        expect(error.path).to.equal(`/${name}`);
      });
    }

    it('Links do not lead a mount below /proc (CVE-2019-16884)', async () => {
      const root = copy();
      await symlink('/proc', join(root.path, 'p'));
      await symlink('/proc/sys/kernel', join(root.path, 'k'));
      for (const target of ['/p/sys', '/p/self', '/p/1/attr', '/k/yama', '/k']) {
        for (const options of [
          { volumes: [`${outside}/kept:${target}:ro`] },
          { tmpfs: [target] },
        ] as const) {
          const error = await refused(root, options);
          expect(error.code).to.equal('ERR_START_FAILED');
          expect(error.path).to.equal(target);
        }
      }
      for (const target of ['/proc', '/proc/self', '/x/../proc/sys', '/proc/']) {
        const error = await refused(root, { volumes: [`${outside}:${target}`] });
        expect(error.code).to.equal('ERR_INVALID_OPTION');
      }
    });

    it('Links do not lead the target of a volume out of the root (CVE-2021-30465)', async () => {
      for (const escape of escapes()) {
        const root = copy();
        await symlink(`${escape}/kept`, join(root.path, 'data'));
        await mkdir(shop.path('volume'), { recursive: true });
        for (const options of [{}, { userns: 'host' }] as const) {
          const result = await shop.engine.run(
            root,
            sh('cat /proc/self/mountinfo; ls -d /data/deep/er'),
            {
              ...options,
              volumes: [`${shop.path('volume')}:/data/deep/er`],
              tmpfs: ['/data/tmp'],
            },
          );
          expect(result.exitCode, result.stderr).to.equal(0);
          // Inside, where the same link is followed from the container's root.
          const points = result.stdout.split('\n').map((line) => line.split(' ')[4]);
          expect(points).to.include.members([`${outside}/kept/deep/er`, `${outside}/kept/tmp`]);
        }
      }
    });

    it('Links do not lead what the engine puts into /etc and /dev out of the root', async () => {
      for (const name of ['etc', 'dev', 'tmp', 'etc/hosts', 'etc/resolv.conf', 'etc/hostname']) {
        const root = copy();
        for (const target of [...escapes(), `${outside}/file`, `${outside}/new`]) {
          await replaceByLink(root, name, target);
          await startedOrRefused(root, { tty: true, workdir: '/tmp/new' }, ['true']);
          await untouched();
        }
      }
    });

    it('Links may lead to what is not there yet: it is made where they lead, inside', async () => {
      const root = copy();
      await replaceByLink(root, 'etc/resolv.conf', '../run/resolve/stub.conf');
      await replaceByLink(root, 'etc/hosts', `${outside}/new/hosts`);
      await replaceByLink(root, 'var/tmp', 'somewhere/else');
      const text = await shop.sh(
        'cat /run/resolve/stub.conf; ls -d /var/somewhere/else/volume; cat /etc/hosts',
        { dns: ['192.0.2.1'], tmpfs: ['/var/tmp/volume'] },
        root,
      );
      expect(text).to.match(
        /^nameserver 192\.0\.2\.1\n\/var\/somewhere\/else\/volume\n127\.0\.0\.1/,
      );
    });

    it('Links do not lead the command or the account files out of the root', async () => {
      const root = copy();
      await writeFile(shop.path('passwd'), 'evil:x:4711:4711::/:/bin/sh\n');
      await replaceByLink(
        root,
        'etc/passwd',
        `../../../../../../../../../..${shop.path('passwd')}`,
      );
      expect((await refused(root, { user: 'evil' })).code).to.equal('ERR_NO_SUCH_USER');
      await symlink(process.execPath, join(root.path, 'bin/node'));
      expect((await refused(root, {}, ['node'])).code).to.equal('ERR_COMMAND_NOT_FOUND');
    });
  });

  describe('a directory and a link that change places all the time', () => {
    const ROUNDS = 40;

    it('What is mounted and made below a link that changes in a volume stays inside (CVE-2021-30465, CVE-2024-45310)', async () => {
      const volume = shop.path('shared');
      await mkdir(join(volume, 'a'), { recursive: true });
      await symlink(`../../../../../../../../../..${outside}/kept`, join(volume, 'b'));
      await mkdir(shop.path('inner'), { recursive: true });
      let inVolume = 0;
      let inRoot = 0;
      {
        await using _ = await exchange(join(volume, 'a'), join(volume, 'b'));
        for (let round = 0; round < ROUNDS; round++) {
          const result = await startedOrRefused(
            shop.busybox,
            {
              volumes: [`${volume}:/shared`, `${shop.path('inner')}:/shared/a/new-${round}/deep`],
              tmpfs: [`/shared/b/tmp-${round}`],
            },
            ['cat', '/proc/self/mountinfo'],
          );
          await untouched();
          if (result instanceof CaissonError) continue;
          for (const line of result.stdout.split('\n')) {
            const point = line.split(' ')[4] ?? '';
            if (point.startsWith('/shared/')) inVolume++;
            if (point.startsWith(outside)) inRoot++;
          }
        }
      }
      // The race was one: both ways of resolving were met.
      expect(inVolume).to.be.above(0);
      expect(inRoot).to.be.above(0);
    });

    for (const name of ['dev', 'etc', 'sys', 'proc']) {
      it(`Nothing comes out by a link /${name} that changes in a root that is used in place (CVE-2026-41579, CVE-2019-19921)`, async () => {
        const root = copy({ writable: 'direct' });
        await symlink(`../../../../../../../../../..${outside}/kept`, join(root.path, 'link'));
        await using _ = await exchange(join(root.path, name), join(root.path, 'link'));
        for (let round = 0; round < ROUNDS; round++) {
          const options = round % 2 === 0 ? {} : ({ userns: 'host' } as const);
          await startedOrRefused(root, { ...options, tty: round % 4 < 2 }, ['true']);
          await untouched();
        }
      });
    }
  });

  describe('capabilities', () => {
    for (const options of [
      {},
      { user: '1000' },
      { user: '1000', capAdd: ['NET_ADMIN'] },
      { privileged: true },
      { privileged: true, user: '1000' },
      { init: false },
      { securityOpt: ['no-new-privileges'] },
    ] as const) {
      it(`Capabilities are neither inheritable nor ambient: ${JSON.stringify(options)} (CVE-2022-29162, CVE-2022-24769)`, async () => {
        const text = await shop.sh('grep -E "^Cap(Inh|Amb)" /proc/self/status', options);
        expect(text).to.match(/^CapInh:\t0{16}\nCapAmb:\t0{16}$/);
      });
    }
  });

  describe('devices', () => {
    nodes.it('Devices that mask paths are not the image’s (CVE-2025-31133)', async () => {
      const root = copy();
      await symlink('/proc/sys/kernel/core_pattern', join(root.path, 'dev/null'));
      const masked =
        'for f in /proc/interrupts /proc/keys /proc/timer_list; do [ -e $f ] || continue; stat -c %F:%t:%T $f; cat $f; done';
      expect(await shop.sh(`${masked}; stat -c %F:%t:%T /dev/null`, {}, root)).to.match(
        /^(character special file:1:3\n?){2,}$/,
      );

      // A whole /dev of the user's, in which null is anything but the null device.
      for (const make of [
        (path: string) => symlink('/proc/sys/kernel/core_pattern', path),
        (path: string) => writeFile(path, 'of the volume'),
        (path: string) => Promise.resolve(execFileSync('mknod', [path, 'c', '1', '5'])),
      ]) {
        const dev = shop.path(`dev-${copies++}`);
        await mkdir(dev);
        await make(join(dev, 'null'));
        const result = await startedOrRefused(
          shop.busybox,
          { volumes: [`${dev}:/dev`], stdin: 'pipe' },
          sh(masked),
        );
        if (result instanceof CaissonError) continue;
        expect(result.stdout).to.match(/^(character special file:1:3\n)+$/);
      }
    });

    nodes.it('Devices of the terminal are not the image’s (CVE-2025-52565)', async () => {
      const root = copy();
      await mkdir(join(root.path, 'dev/pts'));
      await symlink(`${outside}/file`, join(root.path, 'dev/console'));
      await symlink(`${outside}/file`, join(root.path, 'dev/ptmx'));
      await symlink(`${outside}/file`, join(root.path, 'dev/pts/ptmx'));
      const { stdout } = await shop.engine.run(root, sh('tty; stat -c %F:%t /dev/console'), {
        tty: true,
      });
      expect(stdout).to.equal('/dev/pts/0\r\ncharacter special file:88\r\n');

      const ptmx: Record<string, (path: string) => unknown> = {
        'a file': (path) => writeFile(path, ''),
        'a link': (path) => symlink('/dev/ptmx', path),
        'a link out': (path) => symlink(`${outside}/file`, path),
        'a fifo': (path) => execFileSync('mkfifo', [path]),
        'the node of another devpts': (path) => execFileSync('mknod', [path, 'c', '5', '2']),
        nothing: () => undefined,
      };
      for (const [what, make] of Object.entries(ptmx)) {
        const dev = shop.path(`dev-${copies++}`);
        await mkdir(join(dev, 'pts'), { recursive: true });
        await symlink(`../../../../../../../../..${outside}/file`, join(dev, 'console'));
        await make(join(dev, 'pts/ptmx'));
        for (const options of [{}, { userns: 'host' }] as const) {
          const error = await refused(shop.busybox, {
            ...options,
            volumes: [`${dev}:/dev`],
            tty: true,
          });
          expect(error.step, what).to.equal('tty.open');
        }
      }
    });
  });

  describe('kernel parameters', () => {
    it('Kernel parameters are written through no /proc of the image’s (CVE-2025-52881)', async () => {
      const before = await readFile('/proc/sys/kernel/msgmax', 'utf8');
      const root = copy();
      await mkdir(join(root.path, 'proc/sys'), { recursive: true });
      await symlink(outside, join(root.path, 'proc/sys/kernel'));
      const inside = await shop.sh(
        'cat /proc/sys/kernel/msgmax',
        { sysctls: { 'kernel.msgmax': 4711 } },
        root,
      );
      expect(inside).to.equal('4711');
      expect(await readFile('/proc/sys/kernel/msgmax', 'utf8')).to.equal(before);
    });

    it('Kernel parameters are those of the container alone, by exact names (CVE-2022-0811)', async () => {
      const pattern = await readFile('/proc/sys/kernel/core_pattern', 'utf8');
      for (const sysctls of [
        { 'kernel.core_pattern': '|/evil' },
        { 'kernel.shm_rmid_forced': '1+kernel.core_pattern=|/evil' },
        { 'kernel.msgmax': '1\nkernel.core_pattern=|/evil' },
        { 'net/../kernel.core_pattern': '|/evil' },
        { 'net.ipv4/../../kernel/core_pattern': '|/evil' },
        { 'net...kernel.core_pattern': '|/evil' },
        { 'kernel/core_pattern': '|/evil' },
        { 'kernel.msgmax/../core_pattern': '|/evil' },
        { 'vm.overcommit_memory': '1' },
        { 'fs.suid_dumpable': '1' },
      ] as Record<string, string>[]) {
        const error = await startedOrRefused(shop.busybox, { sysctls }, ['true']);
        expect(error, JSON.stringify(sysctls)).to.be.instanceOf(CaissonError);
        expect(['ERR_INVALID_OPTION', 'ERR_START_FAILED']).to.include((error as CaissonError).code);
      }
      expect(await readFile('/proc/sys/kernel/core_pattern', 'utf8')).to.equal(pattern);
    });

    it('Kernel parameters of the host are read-only inside', async () => {
      for (const options of [{}, { userns: 'host' }] as const) {
        const text = await shop.sh(
          'for f in sys/kernel/core_pattern sys/vm/drop_caches sys/fs/suid_dumpable sysrq-trigger; do ' +
            '[ ! -e /proc/$f ] || (echo h >/proc/$f) 2>&1; done; true',
          options,
        );
        const lines = text.split('\n');
        expect(lines).to.have.length.above(2);
        for (const line of lines) expect(line).to.match(/Read-only file system|Permission denied/);
      }
    });
  });

  cgroups.describe('cgroups', () => {
    for (const options of [{}, { userns: 'host' }, { userns: 'host', user: '0:0' }] as const) {
      it(`Cgroups are read-only inside: ${JSON.stringify(options)} (CVE-2022-0492, CVE-2023-25809)`, async () => {
        const text = await shop.sh(
          'grep -E "^[0-9 ]+[^ ]+ [^ ]+ /sys/fs/cgroup" /proc/self/mountinfo; echo ---; ' +
            // v2 shows one cgroup, with none below.
            'for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do [ -d $d ] || continue; ' +
            '(mkdir $d/evil) 2>&1; (echo $$ >$d/cgroup.procs) 2>&1; (mount -o remount,rw $d) 2>&1;' +
            '[ ! -e $d/release_agent ] || (echo /evil >$d/release_agent) 2>&1; done; ' +
            'find /sys/fs/cgroup -name evil',
          options,
        );
        const [mounts = '', attempts = ''] = text.split('---\n');
        expect(mounts).to.match(/\/sys\/fs\/cgroup/);
        for (const line of mounts.trim().split('\n')) {
          expect(line.split(' ')[5], line).to.match(/^ro,/);
        }
        for (const line of attempts.trim().split('\n')) {
          expect(line).to.match(/Read-only file system|denied|not permitted|nonexistent/);
        }
      });
    }
  });

  describe('the user of a program', () => {
    it('A user that is written badly is never root (CVE-2026-30892)', async () => {
      const invalid: ErrorCode[] = ['ERR_INVALID_OPTION', 'ERR_NO_SUCH_USER'];
      for (const user of [
        ...[
          '0x3e8',
          '1e3',
          '1000 ',
          ' 1000',
          '+1000',
          '-1',
          '1_000',
          '1000.0',
          '١٠٠٠',
          'root ',
          'ROOT',
        ],
        ...['1000:', ':1000', '1000:1000:1000', '1000\n', 'nobody\0', '4294967295', '4294967296'],
        ...['18446744073709551616', '1000:root ', '1000:-1', 'user:x', '1000:0x0'],
      ]) {
        const error = await refused(shop.busybox, { user });
        expect(invalid, user).to.include(error.code);
      }
    });

    it('Half a line of the image’s account files does not decide the user', async () => {
      const root = copy();
      await writeFile(
        join(root.path, 'etc/passwd'),
        [
          'short:x',
          'nouid:x::0:::',
          'letters:x:abc:0:::',
          'neg:x:-1:0:::',
          'big:x:4294967295:0:::',
        ].join('\n'),
      );
      for (const user of ['short', 'nouid', 'letters', 'neg', 'big']) {
        const error = await refused(root, { user });
        expect(error.code, user).to.equal('ERR_NO_SUCH_USER');
      }
    });
  });

  describe('lengths (CVE-2021-43784)', () => {
    for (const length of [255, 256, 4095, 4096, 65_535, 65_536, 65_541, 131_000]) {
      it(`An argument and a variable of ${length} bytes arrive whole`, async () => {
        const text = 'xyz'.repeat(length).slice(0, length);
        const { stdout } = await shop.engine.run(
          shop.busybox,
          ['sh', '-c', 'printf %s "$1" | md5sum; printf %s "$V" | md5sum', 'sh', text],
          { env: { V: text }, hostname: 'box' },
        );
        const sum = createHash('md5').update(text).digest('hex');
        expect(stdout).to.equal(`${sum}  -\n${sum}  -\n`);
      });
    }

    it('All of 100,000 variables arrive, and nothing of them becomes anything else', async () => {
      const env = Array.from({ length: 100_000 }, (_, i) => `V${i}=${i}`);
      const { stdout } = await shop.engine.run(shop.busybox, ['env'], { env });
      const lines = stdout.trimEnd().split('\n');
      expect(lines.filter((line) => line.startsWith('V')).sort()).to.deep.equal(env.sort());
      expect(lines.filter((line) => !line.startsWith('V'))).to.have.length(3);
    });

    it('Arguments that the kernel cannot take are refused', async () => {
      const long = await refused(shop.busybox, {}, ['true', 'x'.repeat(200_000)]);
      expect(long.code).to.equal('ERR_COMMAND_NOT_EXECUTABLE');
      expect(long.errno).to.equal('E2BIG');
      const many = Array.from({ length: 60_000 }, (_, i) => `${i}${'x'.repeat(50)}`);
      expect((await refused(shop.busybox, {}, ['true', ...many])).errno).to.equal('E2BIG');
      const huge = await refused(shop.busybox, { env: { V: 'x'.repeat(9 << 20) } });
      expect(huge.code).to.equal('ERR_INVALID_PROGRAM');
    });

    it('NUL bytes are refused wherever text is taken', async () => {
      const places: [RunOptions, string[]?][] = [
        [{}, ['true', 'a\0b']],
        [{}, ['tr\0ue']],
        [{ env: { A: 'x\0B=y' } }],
        [{ env: ['A=x\0B=y'] }],
        [{ workdir: '/tmp\0/..' }],
        [{ hostname: 'a\0b' }],
        [{ volumes: [`${outside}\0:/x`] }],
        [{ labels: { a: 'b\0c' } }],
        [{ user: 'root\0' }],
        [{ tmpfs: ['/x\0:size=1m'] }],
        [{ name: 'a\0b' }],
      ];
      for (const [options, argv] of places) {
        const error = await refused(shop.busybox, options, argv);
        expect(error.code, JSON.stringify([options, argv])).to.equal('ERR_INVALID_OPTION');
      }
    });

    it('Names are no paths', async () => {
      for (const name of ['../x', '..', '.', 'a/b', '/x', 'a/../b', 'x\n', '']) {
        expect((await refused(shop.busybox, { name })).code, name).to.equal('ERR_INVALID_OPTION');
      }
      for (const hostname of ['../x', 'a/b', 'a b', 'x\ny', '-a', 'a'.repeat(65)]) {
        expect((await refused(shop.busybox, { hostname })).code).to.equal('ERR_INVALID_OPTION');
      }
    });
  });

  describe('the caller’s terminal (CVE-2017-5226)', () => {
    it('The caller’s terminal is not reachable for a program without one', async () => {
      const text = await shop.sh('(: </dev/tty) 2>&1; ps -o pid,sid | grep -w $$; true');
      expect(text).to.match(/dev\/tty: No such device or address/);
    });

    it('The caller’s terminal takes no input from the container, which has a session of its own', async () => {
      // script(1) gives a child Node a controlling terminal; the container even gets it as its input.
      const program = [process.execPath, fixture('in-terminal'), shop.path('tty-data')];
      const command = [...program, shop.path('tty-run')].map((word) => `'${word}'`).join(' ');
      const child = spawn('script', ['-qec', command, '/dev/null'], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
      await once(child, 'close');
      const said = JSON.parse(/\{.*\}/.exec(text)?.[0] ?? '{}') as Record<string, string>;
      expect(said).to.deep.equal({
        sessions: 'differ',
        tty: 'No such device or address',
        sti: said['sti'],
        steal: 'Operation not permitted',
      });
      // EIO where the kernel has it switched off (Linux 6.2 and later).
      expect(said['sti']).to.match(/Operation not permitted|Input\/output error/);
    });
  });

  describe('what must not hang or starve', () => {
    memory.it('A limit of 4 MiB starts a small program (runc #1980, #4021)', async () => {
      for (const options of [{}, { init: false }, { userns: 'host' }, { tty: true }] as const) {
        const { exitCode, oomKilled } = await shop.engine.run(shop.busybox, ['true'], {
          ...options,
          memory: '4m',
        });
        expect({ exitCode, oomKilled }).to.deep.equal({ exitCode: 0, oomKilled: false });
      }
    });

    it('A fifo in the place of anything does not block a start (runc #2828)', async () => {
      const fifo = shop.path('fifo');
      execFileSync('mkfifo', [fifo]);
      const { rootfs } = await import('../../lib/index.js');
      expect((await refused(rootfs(fifo), {})).code).to.equal('ERR_INVALID_ROOTFS');

      for (const name of [
        'etc/passwd',
        'etc/group',
        'etc/hosts',
        'etc/hostname',
        'etc/resolv.conf',
      ]) {
        const root = copy();
        await rm(join(root.path, name), { force: true });
        execFileSync('mkfifo', [join(root.path, name)]);
        if (name === 'etc/passwd') {
          expect((await refused(root, { user: 'user' })).code).to.equal('ERR_NO_SUCH_USER');
        }
        // Not a shell: that would read the account files itself.
        const { exitCode } = await shop.engine.run(root, ['true'], { user: '1000' });
        expect(exitCode, name).to.equal(0);
      }
      const root = copy();
      execFileSync('mkfifo', [join(root.path, 'bin/fifo')]);
      await chmod(join(root.path, 'bin/fifo'), 0o755);
      const error = await refused(root, {}, ['fifo']);
      expect(error.code).to.equal('ERR_COMMAND_NOT_EXECUTABLE');
      expect(await shop.sh('[ -p /x ] && echo fifo', { volumes: [`${fifo}:/x`] })).to.equal('fifo');
    });

    nodes.it(
      'An endless file in the place of the account files does not block a start',
      async () => {
        const root = copy();
        await rm(join(root.path, 'etc/passwd'));
        execFileSync('mknod', [join(root.path, 'etc/passwd'), 'c', '1', '5']);
        expect((await refused(root, { user: 'user' })).code).to.equal('ERR_NO_SUCH_USER');
      },
    );
  });
});
