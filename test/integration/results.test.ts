import { getEventListeners } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { RunResult } from '../../lib/engine/start/run-result.js';
import { drawTimeline } from '../../lib/program/timeline.js';
import type { CaissonError } from '../../lib/base/errors.js';
import {
  eventually,
  exists,
  processesOf,
  holdsFor,
  sleep,
  statusOf,
  tracesOf,
  pidOutside,
} from '../support/outside.js';
import { slowness } from '../support/slowness.js';
import { Workshop } from '../support/workshop.js';

/** Of the host's pids, those that still live; a zombie does not. */
async function alive(pids: readonly number[]): Promise<number[]> {
  const states = await Promise.all(
    pids.map(async (pid) => (await statusOf(pid).catch(() => undefined))?.['State']),
  );
  return pids.filter((_, index) => states[index] !== undefined && !/^[ZX]/.test(states[index]));
}

describe('results', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  const sh = (command: string, options = {}) =>
    shop.engine.run(shop.busybox, ['sh', '-c', command], options);

  const failure = (execution: PromiseLike<RunResult>): Promise<CaissonError> =>
    Promise.resolve(execution).then(
      (result) => {
        throw new Error(`it ended with ${result.exitCode}`);
      },
      (error: unknown) => error as CaissonError,
    );

  describe('the exit', () => {
    for (const init of [true, false]) {
      it(`The exit has the program’s code (init: ${init})`, async () => {
        for (const code of [0, 1, 7, 42, 125, 137, 255]) {
          const result = await sh(`exit ${code}`, { init });
          expect(result.exitCode).to.equal(code);
          expect(result.signal).to.equal(undefined);
        }
      });
    }

    it('The exit by a signal has 128 more, and the signal’s name', async () => {
      for (const [number, name] of [
        [1, 'SIGHUP'],
        [6, 'SIGABRT'],
        [9, 'SIGKILL'],
        [11, 'SIGSEGV'],
        [13, 'SIGPIPE'],
        [15, 'SIGTERM'],
      ] as const) {
        const result = await sh(`kill -${number} $$; sleep 100`);
        expect([result.exitCode, result.signal]).to.deep.equal([128 + number, name]);
        expect([result.timedOut, result.aborted, result.oomKilled]).to.deep.equal([
          false,
          false,
          false,
        ]);
      }
    });

    it('The exit is what the caller asked for by kill()', async () => {
      const run = sh('sleep 1000');
      await run.started;
      run.kill('TERM');
      const { exitCode, signal } = await run;
      expect([exitCode, signal]).to.deep.equal([143, 'SIGTERM']);
      run.kill(); // too late, and no error
    });

    it('The exit comes even when kill() was called before there was anything to kill', async () => {
      for (let pause = 0; pause < 10; pause++) {
        const run = sh('sleep 1000');
        if (pause > 0) await sleep(pause - 1); // each time at another moment of the start
        run.kill();
        const { exitCode, signal } = await run;
        expect([exitCode, signal]).to.deep.equal([137, 'SIGKILL']);
      }
    });

    it('The method kill() refuses signals that do not exist', async () => {
      await using run = sh('sleep 1000');
      for (const name of ['NOPE', 'SIGNOPE', '', 65, -1, 1.5]) {
        expect(() => run.kill(name), String(name))
          .to.throw()
          .with.property('code');
      }
    });
  });

  describe('init', () => {
    const LOOP = 'echo ready; while :; do sleep 0.02; done';

    it('The init passes signals on to the program', async () => {
      for (const name of ['TERM', 'INT', 'HUP', 'USR1', 'USR2', 'QUIT'] as const) {
        const run = sh(`trap 'echo got ${name}; exit 3' ${name}; ${LOOP}`);
        for await (const line of run) {
          if (line === 'ready') run.kill(name);
          else expect(line).to.equal(`got ${name}`);
        }
        expect((await run).exitCode).to.equal(3);
      }
    });

    it('The init is pid 1, and the program another', async () => {
      expect((await sh('echo $$; cat /proc/1/comm')).stdout).to.equal('2\ncaisson-init\n');
      expect((await sh('echo $$; cat /proc/1/comm; true', { init: false })).stdout).to.equal(
        '1\nsh\n',
      );
    });

    it('The init makes programs end at signals that they do not handle; without it they ignore them', async () => {
      await using plain = sh(LOOP, { init: false });
      for await (const line of plain) {
        expect(line).to.equal('ready');
        break;
      }
      plain.kill('TERM');
      const pid = await pidOutside(plain.id, 1);
      await holdsFor(100, async () => expect(await alive([pid])).to.deep.equal([pid]));
      plain.kill('KILL');
      expect((await plain).exitCode).to.equal(137);
    });

    it('The init reaps what others leave behind', async () => {
      const orphans =
        '(for i in 1 2 3 4 5 6 7 8; do (sh -c "sleep 0.01; echo" >>/tmp/ends &) ; done)';
      const zombies = 'cat /proc/[0-9]*/stat 2>/dev/null | grep -c "^[0-9]* ([^)]*) Z 1 "';
      // All of them have slept; then this shell is the last child of the init.
      const slept = 'until [ "$(wc -l </tmp/ends)" = 8 ]; do usleep 10000; done';
      const alone = 'until [ "$(ps -o ppid | grep -c "^ *1$")" = 1 ]; do usleep 10000; done';
      const { stdout } = await sh(`${orphans}; ${slept}; ${alone}; ${zombies}; ps -o pid,comm`);
      expect(stdout).to.match(/^0\n/);
      expect(stdout).not.to.include('sleep');
    });

    it('A program that is pid 1 itself has orphans as its children', async () => {
      // Eight orphans; then counts the zombies below pid 1 until there are as many as expected.
      const program = `
        for (1..8) { unless (fork) { unless (fork) { select undef, undef, undef, 0.05; exit } exit } }
        wait for 1..8;
        my $count;
        for (1..500) {
          my $living = 0;
          $count = 0;
          for my $file (glob '/proc/[0-9]*/stat') {
            open my $stat, '<', $file or next;
            my ($pid, $state, $parent) = (<$stat> // '') =~ /^(\\d+) \\(perl\\) (\\w) (\\d+)/ or next;
            if ($state eq 'Z') { $count++ if $parent == 1 } else { $living++ if $pid != $$ }
          }
          last if $living == 0 && $count == $ARGV[0];
          select undef, undef, undef, 0.02;
        }
        print $count`;
      for (const init of [true, false]) {
        const expected = init ? '0' : '8';
        const argv = ['perl', '-e', program, expected];
        expect((await shop.engine.run('host', argv, { init })).stdout).to.equal(expected);
      }
    });
  });

  describe('the end', () => {
    it('The end of a program takes daemons with it', async () => {
      const run = sh(
        '(setsid sleep 1000 &); setsid sh -c "sleep 1001 & sleep 1002" & (trap "" HUP; sleep 1003) & ' +
          'while [ $(ps -o comm | grep -c "^sleep$") != 4 ]; do usleep 10000; done; echo ready; read line',
        { stdin: 'pipe' },
      );
      for await (const line of run) if (line === 'ready') break;
      const pids = await processesOf(run.id);
      expect(pids.length).to.be.at.least(6);
      run.stdin!.end('go\n');
      expect((await run).exitCode).to.equal(0);
      expect(await alive(pids)).to.deep.equal([]);
    });

    it('The end does not wait for daemons that hold the output', async () => {
      const { stdout, durationMs } = await sh('sleep 1000 & echo hi');
      expect(stdout).to.equal('hi\n');
      expect(durationMs).to.be.lessThan(900_000);
    });

    it('The end comes at the timeout, for everything', async () => {
      const run = sh('trap "" TERM INT HUP; (setsid sleep 1000 &); echo out; sleep 1000', {
        timeout: 2000 * slowness,
      });
      await run.started;
      const pids = await eventually(async () => {
        const found = await processesOf(run.id);
        expect(found.length).to.be.at.least(3);
        return found;
      }, 1900);
      const result = await run;
      expect(result).to.include({
        timedOut: true,
        aborted: false,
        exitCode: 137,
        signal: 'SIGKILL',
        stdout: 'out\n',
      });
      expect(result.durationMs).to.be.at.least(1999 * slowness);
      expect(await alive(pids)).to.deep.equal([]);
    });

    it('The end comes before the timeout where the program is quicker', async () => {
      const result = await sh('true', { timeout: 60_000 });
      expect(result.timedOut).to.equal(false);
    });

    it('The end comes with the AbortSignal', async () => {
      const controller = new AbortController();
      const run = sh('(setsid sleep 1000 &); echo ready; sleep 1000', {
        signal: controller.signal,
      });
      for await (const line of run) {
        if (line === 'ready') break;
      }
      const pids = await processesOf(run.id);
      controller.abort();
      expect(await run).to.include({ aborted: true, timedOut: false, exitCode: 137 });
      expect(await alive(pids)).to.deep.equal([]);
    });

    it('The end comes with the AbortSignal whenever that is aborted', async () => {
      for (let pause = 0; pause < 10; pause++) {
        const controller = new AbortController();
        const run = sh('sleep 1000', { signal: controller.signal });
        if (pause > 0) await sleep(pause - 1); // each time at another moment of the start
        controller.abort();
        expect((await run).aborted).to.equal(true);
      }
    });

    it('The signal is left without a listener when it was not aborted, and Node warns of no leak', async () => {
      const { signal } = new AbortController();
      const warnings: Error[] = [];
      const warned = (warning: Error) => warnings.push(warning);
      process.on('warning', warned);
      await Promise.allSettled([
        ...Array.from({ length: 12 }, () => sh('true', { signal })),
        shop.engine.run(shop.busybox, ['/missing'], { signal }),
        sh('true', { signal, memory: 'much' }),
      ]);
      process.off('warning', warned);
      expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
      expect(warnings).to.deep.equal([]);
    });

    it('A run whose signal was aborted before has ended before it starts', async () => {
      const run = sh('true', { signal: AbortSignal.abort(new Error('enough')) });
      const error = await failure(run);
      expect(error.code).to.equal('ERR_ABORTED');
      expect((error.cause as Error).message).to.equal('enough');
      expect(await tracesOf(run.id, shop.path('data'))).to.deep.equal([]);
    });

    it('The end comes with the scope of `await using`', async () => {
      let pids: number[];
      {
        await using run = sh('sleep 1000');
        await run.started;
        pids = await processesOf(run.id);
        expect(pids.length).to.be.at.least(2);
      }
      expect(await alive(pids)).to.deep.equal([]);
    });

    it('The end of a scope does not wait for output that is not read', async () => {
      await using run = sh('yes');
      for await (const line of run) {
        expect(line).to.equal('y');
        break;
      }
      await using other = sh('yes');
      await new Promise((resolve) => other.stdout!.once('readable', resolve));
    });
  });

  it('A result tells whether the program was exec’ed: `started`', async () => {
    const run = sh('echo a; read line', { stdin: 'pipe' });
    await run.started;
    const names = await Promise.all(
      (await processesOf(run.id)).map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8')),
    );
    expect(names.some((name) => name.startsWith('sh\0-c\0echo a'))).to.equal(true);
    expect(await processesOf(run.id)).to.include(run.pid);
    run.stdin!.end();
    await run;

    const missing = shop.engine.run(shop.busybox, ['/no/such/program']);
    expect((await failure(missing.started as unknown as PromiseLike<RunResult>)).code).to.equal(
      'ERR_COMMAND_NOT_FOUND',
    );
    expect((await failure(missing)).code).to.equal('ERR_COMMAND_NOT_FOUND');
  });

  it('A result has the timeline of the start', async () => {
    const { timeline, durationMs } = await sh('true');
    const { steps, total } = timeline;
    expect(steps.length).to.be.greaterThan(20);
    for (const phase of ['host', 'container'] as const) {
      const ours = steps.filter((step) => step.phase === phase);
      for (const [index, step] of ours.entries()) {
        expect(step.description).not.to.equal('');
        expect(step.duration).to.be.at.least(0);
        const next = ours[index + 1];
        if (next !== undefined) expect(next.start).to.be.at.least(step.start);
      }
    }
    const names = steps.map(({ op }) => op);
    expect(names).to.include.members([
      'clone',
      'overlay.make',
      'root.pivot',
      'seccomp.load',
      'exec',
    ]);
    expect(names.at(-1)).to.equal('exec');
    expect(total).to.be.greaterThan(0);
    expect(total / 1000).to.be.lessThan(durationMs);
    const drawn = drawTimeline(timeline).split('\n');
    expect(drawn.filter((line) => line.includes('root.pivot')).length).to.equal(1);
  });

  it('Executions are promises in every respect', async () => {
    expect(await sh('exit 4').then(({ exitCode }) => exitCode + 1)).to.equal(5);
    expect(
      await sh('true', { memory: 'x' }).catch((error: unknown) => (error as CaissonError).code),
    ).to.equal('ERR_INVALID_OPTION');
    let called = 0;
    await sh('true').finally(() => called++);
    expect(called).to.equal(1);
    const both = await Promise.all([sh('exit 1'), sh('exit 2')]);
    expect(both.map(({ exitCode }) => exitCode)).to.deep.equal([1, 2]);
  });

  describe('many runs at once', () => {
    it('Each of many results has its own values', async () => {
      const runs = Array.from({ length: 50 }, (_, index) =>
        sh(`echo $HOSTNAME; echo ${index}; echo e${index} >&2; exit ${index}`),
      );
      const results = await Promise.all(runs);
      for (const [index, { exitCode, stdout, stderr, id }] of results.entries()) {
        expect(exitCode).to.equal(index);
        expect(stdout).to.equal(`${id.slice(0, 12)}\n${index}\n`);
        expect(stderr).to.equal(`e${index}\n`);
      }
      expect(new Set(results.map(({ id }) => id)).size).to.equal(50);
    });

    it('Many runs leave nothing behind: no cgroup, directory, process or descriptor', async () => {
      const open = async () => (await readdir('/proc/self/fd')).length;
      const before = await open();
      const runs = Array.from({ length: 30 }, (_, index) =>
        index % 3 === 0
          ? sh('sleep 1000', { timeout: 50 })
          : index % 3 === 1
            ? sh('setsid sleep 1000 & exit 0')
            : shop.engine.run(shop.busybox, ['/missing']),
      );
      await Promise.allSettled(runs);
      for (const { id } of runs) {
        await eventually(async () => {
          expect(await tracesOf(id, shop.path('data'))).to.deep.equal([]);
        });
        expect(await processesOf(id)).to.deep.equal([]);
      }
      await eventually(async () => expect(await open()).to.be.at.most(before));
    });
  });

  describe('a closed engine', () => {
    it('A closed engine has ended what ran, and left nothing', async () => {
      const engine = await shop.openAnother();
      const runs = Array.from({ length: 5 }, () =>
        engine.run(shop.busybox, ['sh', '-c', 'setsid sleep 1000 & sleep 1000']),
      );
      await Promise.all(runs.slice(1).map(({ started }) => started));
      const pids = (await Promise.all(runs.map(({ id }) => processesOf(id)))).flat();
      await Promise.all([engine.close(), engine.close()]);
      expect(await alive(pids)).to.deep.equal([]);
      for (const run of runs) {
        expect(await tracesOf(run.id, shop.path('data'))).to.deep.equal([]);
        expect((await run).signal).to.equal('SIGKILL');
      }
    });

    it('A closed engine starts nothing more', async () => {
      const engine = await shop.openAnother();
      await engine.close();
      const run = engine.run(shop.busybox, ['true']);
      const error = await failure(run);
      expect(error.code).to.equal('ERR_ENGINE_CLOSED');
      expect(await exists(shop.path('data/containers', run.id))).to.equal(false);
    });
  });
});
