import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, rmdir, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { exec, explainExec, type ExecTarget, startExec } from '../../lib/engine/start/exec.js';
import type { ExecOptions } from '../../lib/engine/options/exec-options.js';
import type { Execution } from '../../lib/engine/start/execution.js';
import type { RunOptions } from '../../lib/engine/options/options.js';
import type { CaissonError } from '../../lib/index.js';
import type { ErrorCode } from '../../lib/index.js';
import { targetOf } from '../support/exec-target.js';
import {
  childrenOf,
  openDescriptors,
  processesIn,
  untilNothing,
  warmLaunchers,
} from '../support/leftovers.js';
import { isRoot, needsCgroups, needsControllers, needsRoot } from '../support/needs.js';
import { ProcessHarness } from '../support/process-harness.js';
import {
  cgroupOf,
  cgroupsOf,
  eventually,
  hierarchies,
  namespacesOf,
  processesOf,
  holdsFor,
  sleep,
  statusOf,
  settled,
} from '../support/outside.js';
import { bundledFixture, debugNative, fixture } from '../support/paths.js';
import { count, sample } from '../support/sample.js';
import { Workshop } from '../support/workshop.js';
import type { KilledCallerExecTask } from './fixtures/killed-caller-exec.js';
import type { EachExecStepReport, EachExecStepTask } from './fixtures/each-exec-step.js';
import { OPEN_FILES, stepsIn, type StepAddress } from './fixtures/starts.js';
import { skip } from '../support/skip.js';
import { refused } from '../support/detached.js';

const sh = (command: string) => ['sh', '-c', command];
const SLEEP = ['sleep', '1000'];
const clients = needsRoot('a cgroup to find what a client has left');
const chosen = needsRoot('a cgroup of one’s own choice');

describe('exec', function () {
  this.timeout(120_000);
  let shop: Workshop;
  const containers: Execution[] = [];
  const harnesses: ProcessHarness[] = [];

  before(async () => {
    shop = await Workshop.open();
  });

  after(async () => {
    await Promise.all(harnesses.map((child) => child.cleanUp()));
    await shop.close();
  });

  const contain = async (
    options: RunOptions = {},
    image = shop.busybox,
  ): Promise<{ container: Execution; target: ExecTarget }> => {
    const container = shop.engine.run(image, SLEEP, options);
    containers.push(container);
    await container.started;
    return { container, target: await targetOf(container.id, image, SLEEP, options) };
  };

  afterEach(async () => {
    for (const container of containers.splice(0)) {
      container.kill();
      await container.catch(() => undefined);
    }
  });

  const place = (container: ExecTarget) => () =>
    Promise.resolve({ startContext: shop.context, container });
  const run = (target: ExecTarget, command: string | readonly string[], options?: ExecOptions) =>
    exec(shop.context, target, typeof command === 'string' ? sh(command) : command, options);

  /** The output of what has to succeed. */
  const output = async (target: ExecTarget, command: string, options?: ExecOptions) => {
    const { exitCode, stdout, stderr } = await run(target, command, options);
    expect(exitCode, `${command}\n${stdout}${stderr}`).to.equal(0);
    return stdout.trimEnd();
  };

  /**
   * Children and descriptors, as soon as no thread removes the files of earlier containers. Whether a child runs or
   * sleeps at this moment says nothing; a zombie does.
   */
  const ownThings = () =>
    eventually(() => {
      const descriptors = openDescriptors();
      expect(descriptors.filter((path) => path.includes('/data/containers/'))).to.deep.equal([]);
      return [
        ...childrenOf(process.pid).map((child) => child.replace(/ [RSD]$/, '')),
        ...descriptors,
      ];
    });

  const warm = (target: ExecTarget) =>
    warmLaunchers(() => {
      const all = Array.from({ length: 8 }, () => startExec(place(target), ['true']));
      return Promise.all(all.map(({ gone }) => gone));
    });

  /** The host's pid of a process of the container whose command line begins so. */
  const find = async (id: string, command: string): Promise<number | undefined> => {
    for (const pid of await processesOf(id)) {
      const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (line.replaceAll('\0', ' ').startsWith(command)) return pid;
    }
    return undefined;
  };

  const parentOf = async (pid: number): Promise<number> =>
    Number(/^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);

  const found = (id: string, command: string): Promise<number> =>
    eventually(async () => {
      const pid = await find(id, command);
      if (pid === undefined) throw new Error(`no ${command}`);
      return pid;
    });

  const CASES: Record<string, RunOptions> = {
    'users of its own': {},
    'the host’s users': { userns: 'host' },
    'without init': { init: false },
    'the host’s network': { network: 'host' },
    privileged: { privileged: true },
    'a memory limit, no-new-privileges, read-only': {
      memory: '64m',
      securityOpt: ['no-new-privileges'],
      readOnly: true,
    },
  };

  for (const [title, options] of Object.entries(CASES)) {
    const limits = needsControllers(...(options.memory === undefined ? [] : ['memory']));
    limits.describe(title, () => {
      it('A program is in all namespaces and cgroups of the container, from outside and inside', async () => {
        const { container, target } = await contain(options);
        const execution = run(target, ['sleep', '999']);
        await execution.started;
        const pid = await found(container.id, 'sleep 999');
        expect(await namespacesOf(pid)).to.deep.equal(await namespacesOf(target.pid));
        expect(await readFile(`/proc/${pid}/cgroup`, 'utf8')).to.equal(
          await readFile(`/proc/${target.pid}/cgroup`, 'utf8'),
        );
        for (const cgroup of await cgroupsOf(container.id))
          expect(await processesIn(cgroup)).to.include(pid);
        expect(childrenOf(process.pid).some((line) => line.startsWith(`${pid} `))).to.equal(true);
        const look =
          'cat /proc/1/cgroup >/tmp/1; cmp /proc/self/cgroup /tmp/1 && ' +
          'hostname; ls /; tr "\\0" " " </proc/1/cmdline';
        if (options.readOnly !== true) {
          expect(await output(target, look)).to.match(
            new RegExp(
              `^${options.network === 'host' ? hostname() : container.id.slice(0, 12)}\n(.*\n)*bin\n`,
            ),
          );
        }
        execution.kill();
        expect((await execution).signal).to.equal('SIGKILL');
      });

      it('A program has what a program of the container’s own has, and nothing more', async () => {
        const { container, target } = await contain(options);
        const look = (status: Record<string, string>) =>
          ['Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs']
            .concat('Seccomp', 'SigBlk', 'SigIgn')
            .map((name) => `${name} ${status[name] ?? ''}`);
        const own = look(await statusOf(await found(container.id, 'sleep 1000')));
        const execution = run(target, ['sleep', '999']);
        await execution.started;
        const joined = await found(container.id, 'sleep 999');
        expect(look(await statusOf(joined))).to.deep.equal(own);
        expect(await readlink(`/proc/${joined}/cwd`)).to.equal(
          await readlink(`/proc/${await found(container.id, 'sleep 1000')}/cwd`),
        );
        execution.kill();
        await execution;
      });
    });
  }

  chosen.it(
    'A program is born in the cgroup2 that a container has, beside v1 ones too',
    async function () {
      const unified = (await hierarchies()).find(({ version }) => version === 2);
      if (unified === undefined) skip(this, 'this machine has no cgroup v2');
      const { container, target } = await contain();
      const parent = join(unified.mountPoint, 'caisson');
      const directory = join(parent, container.id);
      // A hybrid machine's has no use for containers: give it to this one.
      const made = !existsSync(directory);
      if (made) {
        await mkdir(directory, { recursive: true });
        for (const pid of await processesOf(container.id))
          await writeFile(join(directory, 'cgroup.procs'), String(pid));
      }
      try {
        const execution = run(target, ['sleep', '992']);
        await execution.started;
        const pid = await found(container.id, 'sleep 992');
        expect(await processesIn(directory)).to.include(pid);
        expect(await readFile(`/proc/${pid}/cgroup`, 'utf8')).to.equal(
          await readFile(`/proc/${target.pid}/cgroup`, 'utf8'),
        );
        // Who hands controllers on to cgroups below has none of its own processes beside them.
        const below = join(directory, 'below');
        await mkdir(below);
        for (const one of await processesIn(directory))
          await writeFile(join(below, 'cgroup.procs'), String(one));
        expect(await output(target, 'cat /proc/self/cgroup')).to.match(/^0::.*\/below$/m);
        execution.kill();
        await execution;
      } finally {
        container.kill();
        await container;
        if (made) {
          await eventually(() => rmdir(join(directory, 'below')));
          await eventually(() => rmdir(directory));
          // Others may have need of it.
          await rmdir(parent).catch(() => undefined);
        }
      }
    },
  );

  describe('the program of an exec', () => {
    it('A program has the container’s environment, directory and user, and its own on top', async () => {
      const options: RunOptions = {
        env: { A: 'container', B: 'container', C: 'container' },
        workdir: '/tmp',
        user: 'user',
        groupAdd: [7],
        hostname: 'box',
      };
      const { target } = await contain(options);
      process.env['CAISSON_TEST_LEAK'] = 'of the host';
      const { stdout } = await run(target, 'env; pwd; id -u; id -g; id -G', {
        env: ['B=exec', 'C'],
      });
      delete process.env['CAISSON_TEST_LEAK'];
      expect(stdout.trimEnd().split('\n').sort()).to.deep.equal(
        [
          'A=container',
          'B=exec',
          'HOME=/home/user',
          'HOSTNAME=box',
          'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
          'PWD=/tmp',
          'SHLVL=1',
          '/tmp',
          '1000',
          '1000',
          '1000 7 29',
        ].sort(),
      );
      expect(
        await output(target, 'pwd; id -u; echo $HOME', { workdir: '/etc/', user: '0:0' }),
      ).to.equal('/etc\n0\n/root');
    });

    it('A program finds its user in the files as they are now', async () => {
      const { target } = await contain();
      await refused(run(target, ['true'], { user: 'late' }), 'ERR_NO_SUCH_USER');
      await output(target, 'echo late:x:1234:4321::/tmp: >>/etc/passwd');
      expect(await output(target, 'id -u; id -g', { user: 'late' })).to.equal('1234\n4321');
    });

    it('The lookup of a user does not follow the container’s links to the host’s account files', async () => {
      const { target } = await contain();
      await writeFile(shop.path('passwd'), 'intruder:x:0:0::/:\n');
      await output(
        target,
        `rm /etc/passwd; ln -s /proc/1/root/../../../../../../..${shop.path('passwd')} /etc/passwd`,
      );
      await refused(run(target, ['true'], { user: 'intruder' }), 'ERR_NO_SUCH_USER');
    });

    it('A program ends with its own code, or by a signal', async () => {
      const { target } = await contain();
      expect((await run(target, 'exit 42')).exitCode).to.equal(42);
      const execution = run(target, 'trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done');
      for await (const line of execution) {
        expect(line).to.equal('ready');
        execution.kill('TERM');
      }
      expect((await execution).exitCode).to.equal(3);
      const { exitCode, signal } = await run(target, 'kill -SEGV $$');
      expect({ exitCode, signal }).to.deep.equal({ exitCode: 139, signal: 'SIGSEGV' });
    });

    it('A program that is missing, not executable, or without its directory is an error', async () => {
      const { target } = await contain();
      const missing = await refused(run(target, ['no-such-program']), 'ERR_COMMAND_NOT_FOUND');
      expect(missing.exitCode).to.equal(127);
      const denied = await refused(run(target, ['/etc/passwd']), 'ERR_COMMAND_NOT_EXECUTABLE');
      expect(denied.exitCode).to.equal(126);
      await refused(run(target, ['true'], { workdir: '/no/such' }), 'ERR_INVALID_WORKDIR');
    });

    it('A program has streams of its own, of any size, with stdin that ends', async () => {
      const { target } = await contain();
      const execution = run(target, 'md5sum; echo err >&2', { stdin: 'pipe' });
      const bytes = Buffer.alloc(10 << 20, 'abcdefg');
      execution.stdin!.end(bytes);
      const { stdout, stderr } = await execution;
      expect(stdout).to.equal(`${createHash('md5').update(bytes).digest('hex')}  -\n`);
      expect(stderr).to.equal('err\n');
      const large = await run(target, 'yes 123456789 | head -c 10485760');
      expect(large.stdout).to.have.length(10 << 20);
    });

    it('An exec waits for what its program has forked and that writes', async () => {
      const { target } = await contain();
      const { stdout } = await run(target, '(sleep 0.3; echo late) & echo early');
      expect(stdout).to.equal('early\nlate\n');
    });
  });

  describe('the terminal of an exec', () => {
    it('The terminal is one of the container’s own, with a size that changes', async () => {
      for (const userns of ['auto', 'host'] as const) {
        const { target } = await contain({ userns });
        const execution = run(
          target,
          'tty; stty size; ls /dev/console; trap "stty size; exit 5" WINCH; echo $TERM; ' +
            'while :; do sleep 0.1; done',
          { tty: { cols: 101, rows: 31 } },
        );
        let text = '';
        execution.stdout!.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          if (text.includes('xterm')) execution.resize({ cols: 55, rows: 44 });
        });
        const { exitCode } = await execution;
        expect(exitCode, text).to.equal(5);
        expect(text).to.match(
          /^\/dev\/pts\/0\r\n31 101\r\n.*No such file.*\r\nxterm\r\n44 55\r\n$/,
        );
      }
    });

    it('The terminal takes what is typed, and its interrupt', async () => {
      const { target } = await contain();
      const execution = run(target, 'read x; echo got $x; sleep 1000', { tty: true });
      execution.stdin!.write('hello\n');
      for await (const line of execution) if (line === 'got hello') execution.stdin!.write('\x03');
      expect((await execution).signal ?? (await execution).exitCode).to.be.oneOf(['SIGINT', 130]);
    });
  });

  describe('the end of an exec', () => {
    it('The end of the container ends a program by SIGKILL', async () => {
      for (const options of [{}, { tty: true }] as const) {
        const { container, target } = await contain();
        const execution = run(target, SLEEP, options);
        await execution.started;
        container.kill();
        expect((await execution).signal).to.equal('SIGKILL');
      }
    });

    it('A KILL leaves alone what the program has forked, and does not wait for it', async () => {
      const { container, target } = await contain();
      const execution = run(target, 'sleep 998 & echo ready; sleep 997; true');
      for await (const line of execution) {
        expect(line).to.equal('ready');
        break;
      }
      execution.kill();
      const { signal, stdout } = await execution;
      expect({ signal, stdout }).to.deep.equal({ signal: 'SIGKILL', stdout: 'ready\n' });
      await found(container.id, 'sleep 998');
      expect(await output(target, 'true')).to.equal('');
    });

    it('A timeout, an abort, or too much output that is not read ends a program', async () => {
      const { target } = await contain();
      const timed = await run(target, 'sleep 1000; true', { timeout: 300 });
      expect({ timedOut: timed.timedOut, signal: timed.signal }).to.deep.equal({
        timedOut: true,
        signal: 'SIGKILL',
      });
      const controller = new AbortController();
      const execution = run(target, 'sleep 1000; true', { signal: controller.signal });
      await execution.started;
      controller.abort();
      expect((await execution).aborted).to.equal(true);
      const loud = await run(target, 'yes & yes', { maxOutput: 1000 });
      expect(loud.outputTruncated).to.equal(true);
      expect(loud.stdout).to.have.length(1000);
    });

    it('The end is final when a reader has enough of what the program has left writing', async () => {
      const { container, target } = await contain();
      /** Until the program has ended, and what it has left is there. */
      const left = (command: string) =>
        eventually(async () => {
          expect(await find(container.id, command)).to.be.a('number');
          expect(await find(container.id, 'sh -c')).to.equal(undefined);
        });
      const timed = await run(target, 'sleep 990 & echo first', { timeout: 2000 });
      expect(timed).to.deep.include({ exitCode: 0, timedOut: true, stdout: 'first\n' });
      const killed = run(target, 'sleep 989 & echo first; exit 4');
      await left('sleep 989');
      killed.kill();
      expect(await killed).to.deep.include({ exitCode: 4, timedOut: false, stdout: 'first\n' });
      // Held back by a reader that does not read.
      const held = run(target, 'echo first; /bin/yes x &');
      held.stdout!.pause();
      held.stdout!.on('data', () => undefined).pause();
      await left('/bin/yes x');
      await eventually(() => expect(held.stdout!.readableLength).to.be.above(0));
      // What is written in the meantime is held back by the pipe.
      expect(await settled(() => held.stdout!.readableLength)).to.be.below(2 << 20);
      held.kill();
      held.stdout!.resume();
      expect((await held).exitCode).to.equal(0);
    });

    it('The event loop goes round while what the program has left writes and writes', async () => {
      const { target } = await contain();
      const timed = await run(target, 'yes & true', { maxOutput: 0, timeout: 2000 });
      expect(timed).to.deep.include({ exitCode: 0, timedOut: true });
    });

    it('The end of a program is not that of its output, of which only a reader is told', async () => {
      const { target } = await contain();
      const script = 'echo last; exec >&- 2>&-; read line; exit 3';
      const read = run(target, script, { stdin: 'pipe' });
      const lines: string[] = [];
      for await (const line of read.stdout!.setEncoding('utf8')) lines.push(String(line));
      expect(lines).to.deep.equal(['last\n']);
      read.stdin!.end('go on\n');
      expect(await read).to.deep.include({ exitCode: 3, stdout: 'last\n' });
      const unread = run(target, script, { stdin: 'pipe' });
      unread.stdin!.end('go on\n');
      expect(await unread).to.deep.include({ exitCode: 3, stdout: 'last\n' });
    });

    it('The end of a program leaves no process and no descriptor', async () => {
      const { target } = await contain();
      await warm(target);
      const before = await ownThings();
      for (let i = 0; i < 20; i++) {
        const { execution, gone } = startExec(place(target), i % 2 === 0 ? ['true'] : ['no']);
        await execution.catch(() => undefined);
        await gone;
      }
      expect(await ownThings()).to.deep.equal(before);
    });

    clients.it('A program ends with its client, whatever killed the client', async () => {
      const { container, target } = await contain();
      const own = await processesOf(container.id);
      const plain = ['sleep', '996'];
      // It changes its user by itself, over which the kernel forgets with whom it was to end.
      const changes = ['su', '-s', '/bin/sh', 'nobody', '-c', 'exec sleep 996'];
      const kept = { tty: true, detachable: true };
      for (const [argv, options] of [
        [plain, {}],
        [plain, { tty: true }],
        [plain, { user: '1000' }],
        [plain, kept],
        [plain, { ...kept, user: '1000' }],
        [changes, {}],
        [changes, kept],
      ] as const) {
        const child = await killedCaller(target, { argv, options });
        expect(await child.next()).to.equal('started');
        await found(container.id, 'sleep 996');
        child.kill();
        await child.gone();
        await untilNothing(async () =>
          (await processesOf(container.id)).filter((pid) => !own.includes(pid)).map(String),
        );
      }
    });
  });

  const killedCaller = async (
    target: ExecTarget,
    task: Pick<KilledCallerExecTask, 'argv' | 'options' | 'fault' | 'leaves'>,
  ): Promise<ProcessHarness> => {
    const whole: KilledCallerExecTask = {
      dataRoot: shop.path('other/data'),
      runRoot: shop.path('other/run'),
      target,
      root: shop.busybox.path,
      ...task,
    };
    const child = await ProcessHarness.start(bundledFixture('killed-caller-exec'), whole, {
      CAISSON_NATIVE: debugNative,
    });
    harnesses.push(child);
    return child;
  };

  describe('detached programs', () => {
    clients.it(
      'A detached program is there when it has been exec’ed, and outlives its client',
      async () => {
        const { container, target } = await contain();
        const child = await killedCaller(target, {
          argv: ['sleep', '995'],
          options: { detach: true },
        });
        expect(await child.next()).to.equal('started');
        expect(await child.next()).to.deep.equal({ survived: 0 });
        await child.ended;
        const pid = await found(container.id, 'sleep 995');
        await holdsFor(100, async () =>
          expect(await found(container.id, 'sleep 995')).to.equal(pid),
        );
        expect(await namespacesOf(pid)).to.deep.equal(await namespacesOf(target.pid));
        for (const fd of [0, 1, 2])
          expect(await readlink(`/proc/${pid}/fd/${fd}`)).to.equal('/null');
        container.kill();
        await untilNothing(async () => (await processesOf(container.id)).map(String));
        await child.gone();
      },
    );

    clients.it('A detached program outlives a client that is killed', async () => {
      const { container, target } = await contain();
      const wait = 'until [ -e /tmp/go ]; do sleep 0.05; done';
      const argv = sh(`(${wait}; echo >/tmp/alive) & sleep 994`);
      const child = await killedCaller(target, { argv, options: { detach: true, user: '1000' } });
      await child.next();
      child.kill();
      await child.ended;
      await output(target, 'echo >/tmp/go; until [ -e /tmp/alive ]; do sleep 0.05; done');
      await found(container.id, 'sleep 994');
    });

    it('A detached program does not keep a process in its client', async () => {
      const { target } = await contain();
      await warm(target);
      const before = await ownThings();
      for (let i = 0; i < 5; i++) await startExec(place(target), ['true'], { detach: true }).gone;
      expect(await ownThings()).to.deep.equal(before);
    });

    it('A detached program fails like any other', async () => {
      const { target } = await contain();
      await refused(run(target, ['nothing'], { detach: true }), 'ERR_COMMAND_NOT_FOUND');
      for (const options of [{ tty: true }, { timeout: 1 }, { stdout: 'pipe' }] as const)
        await refused(
          run(target, ['true'], { detach: true, ...options }),
          'ERR_CONFLICTING_OPTIONS',
        );
    });
  });

  describe('programs that can be left', () => {
    const LEFT: ExecOptions = { tty: true, detachable: true };

    it('A program that was left goes on, whatever it writes, and ends with the container', async () => {
      const { container, target } = await contain();
      const argv = sh('seq 100000; echo >/tmp/whole; exec sleep 992');
      const left = exec(shop.context, target, argv, LEFT);
      await left.started;
      await left.detach();
      expect(await left).to.deep.include({ exitCode: 0, detached: true, signal: undefined });
      await found(container.id, 'sleep 992');
      expect(await output(target, 'ls /tmp/whole')).to.equal('/tmp/whole');
      left.kill(); // no longer this one's
      const pid = await found(container.id, 'sleep 992');
      await holdsFor(50, async () => expect(await found(container.id, 'sleep 992')).to.equal(pid));
      const supervisor = await parentOf(pid);
      // Its terminal's two ends and the program's pidfd: nothing of this process's. Root alone may look.
      if (isRoot) expect(await readdir(`/proc/${supervisor}/fd`)).to.have.length(3);
      container.kill();
      await untilNothing(async () => (await processesOf(container.id)).map(String));
      await untilNothing(async () => {
        const stat = await readFile(`/proc/${supervisor}/stat`, 'utf8').catch(() => '');
        return stat === '' || stat.includes(') Z') ? [] : [stat];
      });
    });

    clients.it('A program outlives a client that leaves it', async () => {
      const { container, target } = await contain();
      const child = await killedCaller(target, {
        argv: ['sleep', '991'],
        options: LEFT,
        leaves: true,
      });
      expect(await child.next()).to.equal('started');
      expect(await child.next()).to.deep.equal({ survived: 0 });
      await child.ended;
      const pid = await found(container.id, 'sleep 991');
      await holdsFor(100, async () => expect(await found(container.id, 'sleep 991')).to.equal(pid));
      expect(await namespacesOf(pid)).to.deep.equal(await namespacesOf(target.pid));
      container.kill();
      await untilNothing(async () => (await processesOf(container.id)).map(String));
      await child.gone();
    });

    it('A program has its own end when its client does not leave it', async () => {
      const { target } = await contain();
      expect(await run(target, 'echo a; exit 7', LEFT)).to.deep.include({
        exitCode: 7,
        stdout: 'a\r\n',
        detached: false,
      });
      expect(await run(target, 'kill -TERM $$', LEFT)).to.include({ signal: 'SIGTERM' });
      const endless = run(target, ['sleep', '990'], LEFT);
      await endless.started;
      endless.kill('SIGINT');
      expect(await endless).to.deep.include({ exitCode: 130, detached: false });
      await refused(run(target, ['nothing'], LEFT), 'ERR_COMMAND_NOT_FOUND');
    });

    it('A program ends with its supervisor', async () => {
      const { container, target } = await contain();
      const own = await processesOf(container.id);
      const orphan = run(target, ['sleep', '989'], { ...LEFT, user: '1000' });
      await orphan.started;
      const pid = await found(container.id, 'sleep 989');
      expect(orphan.pid).to.equal(pid);
      process.kill(await parentOf(pid), 'SIGKILL');
      expect(await orphan).to.deep.include({ exitCode: 137, detached: false });
      await untilNothing(async () =>
        (await processesOf(container.id)).filter((each) => !own.includes(each)).map(String),
      );
    });

    it('A program that was not started to be left cannot be left, and leaves no process in its client', async () => {
      const { target } = await contain();
      const bound = run(target, ['sleep', '0.2'], { tty: true });
      await bound.detach();
      expect(await bound).to.include({ detached: false, exitCode: 0 });
      const leave = async (): Promise<void> => {
        const { execution, gone } = startExec(place(target), ['true'], LEFT);
        await execution.detach();
        await gone;
      };
      // Who has been left, and has ended, is reaped with the next that ends; one that is still ending is gone at the next look.
      const things = () => {
        let last: readonly string[] = [];
        return eventually(async () => {
          await startExec(place(target), ['true']).gone;
          const all = await ownThings();
          const settled = all.join() === last.join() && !all.some((thing) => thing.endsWith(' Z'));
          last = all;
          expect(settled, all.join()).to.equal(true);
          return all;
        });
      };
      await warm(target);
      await leave();
      const before = await things();
      for (let i = 0; i < 5; i++) await leave();
      expect(await things()).to.deep.equal(before);
    });
  });

  describe('privileged programs', () => {
    it('A privileged program has all capabilities over the container, and no filter', async () => {
      const { target } = await contain();
      const look = 'grep -E "^(CapEff|Seccomp):" /proc/self/status';
      expect(await output(target, look)).to.equal('CapEff:\t00000000a80425fb\nSeccomp:\t2');
      const last = Number(await readFile('/proc/sys/kernel/cap_last_cap', 'utf8'));
      const all = ((1n << BigInt(last + 1)) - 1n).toString(16).padStart(16, '0');
      expect(await output(target, look, { privileged: true })).to.equal(
        `CapEff:\t${all}\nSeccomp:\t0`,
      );
      // Over the container's own only.
      await output(target, 'hostname renamed', { privileged: true });
      expect(
        (await run(target, 'echo 1 >/proc/sys/vm/drop_caches', { privileged: true })).exitCode,
      ).not.to.equal(0);
    });
  });

  describe('containers that change meanwhile', () => {
    it('An exec in a container that is gone is refused', async () => {
      const { container, target } = await contain();
      container.kill();
      await container;
      await eventually(() => {
        if (existsSync(`/proc/${target.pid}`)) throw new Error('still there');
      });
      await refused(run(target, ['true']), 'ERR_CONTAINER_NOT_RUNNING');
    });

    it('An exec in a container whose pid another process has is refused (crun #1200)', async () => {
      const { target } = await contain();
      const other = await contain();
      // Its own number, with the start time of another process: as if it had been used again.
      for (const wrong of [
        { ...target, startTime: String(BigInt(target.startTime) + 1n) },
        {
          ...target,
          pid: other.target.pid,
          startTime: String(BigInt(other.target.startTime) + 9n),
        },
        { ...target, pid: process.pid },
      ])
        await refused(run(wrong, ['true']), 'ERR_CONTAINER_NOT_RUNNING');
    });

    it('An exec in a container that ends meanwhile fails', async () => {
      for (let delay = 0; delay < 10; delay++) {
        const { container, target } = await contain();
        const many = Array.from({ length: 3 }, () =>
          run(target, SLEEP).then<string | undefined, string>(
            ({ signal }) => signal,
            (error: unknown) => (error as CaissonError).code,
          ),
        );
        await sleep(delay); // each time at another moment of the starts
        container.kill();
        for (const outcome of await Promise.all(many))
          expect(outcome).to.be.oneOf(['SIGKILL', 'ERR_CONTAINER_NOT_RUNNING']);
      }
    });

    needsCgroups().it('An exec in a container that is paused meanwhile fails', async () => {
      const { container, target } = await contain();
      const { version, directory } = await cgroupOf(container.id, 'freezer');
      const freeze = (frozen: boolean) =>
        version === 1
          ? writeFile(join(directory, 'freezer.state'), frozen ? 'FROZEN' : 'THAWED')
          : writeFile(join(directory, 'cgroup.freeze'), frozen ? '1' : '0');
      const running = run(target, 'sleep 0.5; echo done');
      await running.started;
      await freeze(true);
      const waiting = run(target, ['echo', 'late']);
      let over = false;
      void Promise.all([running, waiting]).then(() => (over = true));
      await holdsFor(1000, () => expect(over).to.equal(false));
      // Starts elsewhere are not held up.
      expect(await shop.sh('echo other')).to.equal('other');
      const killed = run(target, SLEEP);
      await sleep(200); // its start has come to the frozen cgroup, where nothing is to be seen of it
      killed.kill();
      await freeze(false);
      expect((await running).stdout).to.equal('done\n');
      expect((await waiting).stdout).to.equal('late\n');
      expect((await killed).signal).to.equal('SIGKILL');
    });
  });

  it('An exec refuses what it does not know before anything is touched', async () => {
    const { target } = await contain();
    const gone = { ...target, pid: 2 ** 22 + 1 };
    const wrong: [ErrorCode, unknown, (readonly string[])?][] = [
      ['ERR_INVALID_OPTION', { memory: 1 }],
      ['ERR_INVALID_OPTION', { workdir: 'relative' }],
      ['ERR_INVALID_OPTION', { user: '0x0' }],
      ['ERR_INVALID_OPTION', { env: ['=x'] }],
      ['ERR_INVALID_OPTION', { privileged: 'yes' }],
      ['ERR_INVALID_OPTION', { detach: 1 }],
      ['ERR_INVALID_OPTION', { timeout: -1 }],
      ['ERR_INVALID_OPTION', { tty: { cols: 0, rows: 1 } }],
      ['ERR_CONFLICTING_OPTIONS', { tty: true, stdin: 'inherit' }],
      ['ERR_CONFLICTING_OPTIONS', { detachable: true }],
      ['ERR_INVALID_OPTION', null],
      ['ERR_INVALID_OPTION', {}, []],
      ['ERR_INVALID_OPTION', {}, ['']],
      ['ERR_INVALID_OPTION', {}, ['a\0b']],
    ];
    // Of a range of its own; where its ids are those around it, only they say.
    if (target.idBase !== 0) wrong.push(['ERR_INVALID_OPTION', { user: '65536' }]);
    for (const [code, options, argv = ['true']] of wrong)
      await refused(exec(shop.context, gone, argv, options as ExecOptions), code);
  });

  clients.describe('the teardown of an exec', () => {
    const OPTIONS: Record<string, ExecOptions> = {
      plain: { stdin: 'pipe' },
      terminal: { tty: true, user: '1000', workdir: '/tmp', env: { A: '1' } },
      detached: { detach: true },
      detachable: { tty: true, detachable: true },
    };

    for (const [name, options] of Object.entries(OPTIONS)) {
      for (const action of ['fail', 'kill-init'] as const) {
        it(`${action} at each step of "${name}" leaves nothing`, async () => {
          const roots = shop.path(`${action}-${name}`);
          const task: EachExecStepTask = {
            dataRoot: join(roots, 'data'),
            runRoot: join(roots, 'run'),
            busybox: shop.busybox.path,
            volume: roots,
            options,
            action,
            from: action === 'fail' ? 0 : 2,
          };
          const child = await ProcessHarness.start(fixture('each-exec-step'), task, {
            CAISSON_NATIVE: debugNative,
          });
          harnesses.push(child);
          const { steps, taken, complaints } = await child.next<EachExecStepReport>();
          await child.gone();
          count(taken, steps.length);
          expect(steps).to.have.length.above(15);
          expect(complaints, complaints.join('\n')).to.have.length(0);
        });
      }

      it(`The death of its client at any step of "${name}" leaves nothing`, async () => {
        const { container, target } = await contain({ ulimits: OPEN_FILES });
        const own = await processesOf(container.id);
        const steps: StepAddress[] = stepsIn(
          await explainExec(shop.context, target, ['sleep', '993'], options),
        );
        const released = steps.findIndex(({ op }) => op === 'release');
        for (const { phase, step, op } of sample(steps)) {
          // Detached, it is on its own once it has been released.
          if (options.detach === true && (phase === 'container' || step >= released)) continue;
          const action = step % 2 === 0 ? 'kill-node' : 'kill-both';
          const fault = { phase, step, action } as const;
          const child = await killedCaller(target, { argv: ['sleep', '993'], options, fault });
          const { signal, stderr } = await child.ended;
          expect(signal, `${phase} ${op}: ${stderr}`).to.equal('SIGKILL');
          await child.gone();
          await untilNothing(async () =>
            (await processesOf(container.id)).filter((pid) => !own.includes(pid)).map(String),
          );
        }
      });
    }
  });
});
