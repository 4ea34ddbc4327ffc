/** Pools: containers that wait for jobs, seen from inside and outside. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { Pool } from '../../lib/engine/pool/pool.js';
import type {
  JobOptions,
  PoolOptions,
  PoolRunOptions,
} from '../../lib/engine/pool/pool-options.js';
import { Engine } from '../../lib/engine/engine.js';
import { needsRoot } from '../support/needs.js';
import { eventually, processesOf, settled, tracesOf } from '../support/outside.js';
import { openDescriptors, untilNothing } from '../support/leftovers.js';
import { rejectionOf } from '../support/rejection.js';
import { slowness } from '../support/slowness.js';
import { Workshop } from '../support/workshop.js';

const root = needsRoot('a user’s containers are started by supervisors, and are not parked');

describe('pools', () => {
  let shop: Workshop;
  const open: Pool[] = [];

  before(async () => {
    shop = await Workshop.open();
  });

  afterEach(async () => {
    for (const pool of open.splice(0)) await pool.close();
    await untilNothing(() => readdir(shop.path('data/containers')));
  });

  after(() => shop.close());

  const pooled = async (
    argv: readonly string[],
    pool: PoolOptions,
    options: PoolRunOptions = {},
  ): Promise<Pool> => {
    const made = await shop.engine.pool(shop.busybox, argv, options, pool);
    open.push(made);
    return made;
  };

  const sh = (script: string, size: number, options: PoolRunOptions = {}) =>
    pooled(['sh', '-c', script], { size }, options);

  /** Of all containers of this file's engine. */
  const ids = () => readdir(shop.path('data/containers'));

  const outputOf = async (pool: Pool, job: JobOptions = {}) => {
    const { exitCode, stdout, stderr } = await pool.run(job);
    expect(exitCode, stderr).to.equal(0);
    return stdout;
  };

  root.describe('of containers that are parked', () => {
    it('A container that waits has not executed its program, and does so for the job', async () => {
      const seen = shop.path('seen');
      await mkdir(seen, { mode: 0o777 });
      const volumes = [`${seen}:/seen`];
      const pool = await sh('cat /proc/sys/kernel/hostname >>/seen/log; cat', 2, { volumes });
      for (const id of await ids()) {
        const [init = 0] = await eventually(async () => {
          const found = await processesOf(id);
          expect(found).not.to.deep.equal([]);
          return found;
        });
        // Its own name, whatever it is to execute.
        expect(await readFile(`/proc/${init}/comm`, 'utf8')).to.match(
          /^(memfd:caisson-i|caisson-init)$/m,
        );
      }
      expect(await readdir(seen)).to.deep.equal([]);
      expect(pool.stats()).to.include({ size: 2, ready: 2, hits: 0, misses: 0 });
      expect(await outputOf(pool, { stdin: 'a job' })).to.equal('a job');
      expect((await readFile(`${seen}/log`, 'utf8')).split('\n')).to.have.length(2);
      expect(pool.stats()).to.include({ hits: 1, misses: 0 });
    });

    it('A job adds arguments, variables, a directory and its input', async () => {
      const pool = await sh('echo "$0 $*"; echo $A $B $HOSTNAME; pwd; cat', 1, { env: { A: '1', B: '2' } }); // prettier-ignore
      const job = { args: ['x', 'y z'], env: { B: '3' }, workdir: '/tmp' };
      const [args, env, directory, ...input] = (
        await outputOf(pool, { ...job, stdin: Readable.from(['one\n', 'two\n']) })
      ).split('\n');
      expect(args).to.equal('x y z');
      expect(env).to.match(/^1 3 [0-9a-f]{12}$/);
      expect(directory).to.equal('/tmp');
      expect(input).to.deep.equal(['one', 'two', '']);
      expect(pool.stats()).to.include({ hits: 1, misses: 0 });
    });

    it('A variable that a job does not set is the pool’s, and one of another job is not there', async () => {
      const pool = await sh('env | sort | grep "^[AB]="', 2, { env: { A: '1' } });
      expect(await outputOf(pool, { env: ['A=2', 'B=1'] })).to.equal('A=2\nB=1\n');
      expect(await outputOf(pool)).to.equal('A=1\n');
      await eventually(() => expect(pool.stats().ready).to.equal(2));
      expect(await outputOf(pool)).to.equal('A=1\n');
    });

    it('No two jobs share a container, and a pool without one starts one', async () => {
      const pool = await sh('hostname; ls /tmp/left; touch /tmp/left', 3);
      const jobs = await Promise.all(Array.from({ length: 12 }, () => pool.run()));
      expect(new Set(jobs.map(({ stdout }) => stdout)).size).to.equal(12);
      for (const { stdout, stderr } of jobs) {
        expect(stdout).to.match(/^[0-9a-f]{12}\n$/);
        expect(stderr).to.match(/No such file/);
      }
      const { hits, misses, missTime } = pool.stats();
      expect([hits, misses]).to.deep.equal([3, 9]);
      expect(missTime).to.be.above(0);
      await eventually(() => expect(pool.stats()).to.include({ ready: 3, starting: 0 }));
    });

    it('A job that a container has no room for gets one of its own', async () => {
      const pool = await sh('echo $(echo -n $A | wc -c); echo $#', 1);
      const args = Array.from({ length: 20 }, () => 'x'.repeat(10_000));
      expect(await outputOf(pool, { args, env: { A: 'y' } })).to.equal('1\n19\n');
      expect(pool.stats()).to.include({ hits: 0, misses: 1 });
      await eventually(() => expect(pool.stats().ready).to.equal(1));
      const most = [...args.slice(0, 12)];
      expect(await outputOf(pool, { args: most })).to.equal('0\n11\n');
      expect(pool.stats()).to.include({ hits: 1 });
    });

    it('A job that is too long for all containers leaves them to others', async () => {
      const pool = await sh('echo $#', 3);
      const args = Array.from({ length: 20 }, () => 'x'.repeat(10_000));
      expect(await outputOf(pool, { args })).to.equal('19\n');
      expect(pool.stats()).to.include({ ready: 3, hits: 0, misses: 1, refills: 3 });
    });

    it('A timeout of 0 is none, whatever the pool’s is', async () => {
      const pool = await sh('sleep 0.3; echo done', 1, { timeout: 100 });
      expect(await outputOf(pool, { timeout: 0 })).to.equal('done\n');
      expect(pool.stats()).to.include({ hits: 1 });
    });

    it('What the job asks for and is not there is a typed error', async () => {
      const pool = await pooled(['nowhere'], { size: 1 });
      expect((await rejectionOf(pool.run())).code).to.equal('ERR_COMMAND_NOT_FOUND');
      const other = await sh('pwd', 2);
      const { code, message } = await rejectionOf(other.run({ workdir: '/nowhere' }));
      expect(code).to.equal('ERR_INVALID_WORKDIR');
      expect(message).to.include('/nowhere');
      expect((await rejectionOf(other.run({ workdir: '/bin/sh' }))).code).to.equal('ERR_INVALID_WORKDIR'); // prettier-ignore
    });

    it('What fails before its program fails when the pool is opened, and leaves nothing', async () => {
      for (const [code, options] of [
        ['ERR_INVALID_WORKDIR', { workdir: '/bin/sh' }],
        ['ERR_NO_SUCH_USER', { user: 'unknown' }],
        ['ERR_NO_SUCH_SOURCE', { volumes: [`${shop.path('unknown')}:/x`] }],
      ] as const) {
        const { message, ...error } = await rejectionOf(pooled(['true'], { size: 3 }, options));
        expect(error.code, message).to.equal(code);
        await untilNothing(ids);
      }
    });

    it('Its time and its signal are the job’s, not those of the wait', async () => {
      const pool = await sh('sleep $0', 2, { timeout: 400 * slowness });
      await new Promise((resolve) => setTimeout(resolve, 500 * slowness)); // longer than a job may take
      const { exitCode, timedOut, durationMs } = await pool.run({ args: ['0'] });
      expect({ exitCode, timedOut }).to.deep.equal({ exitCode: 0, timedOut: false });
      expect(durationMs).to.be.below(400 * slowness);
      expect((await pool.run({ args: ['99'], timeout: 50 })).timedOut).to.equal(true);
      const abort = new AbortController();
      const aborted = pool.run({ args: ['99'], signal: abort.signal });
      await aborted.started;
      abort.abort();
      expect((await aborted).aborted).to.equal(true);
    });

    it('It has the same rights, limits, mounts and descriptors as a container that was not parked', async () => {
      const script =
        'grep -E "^(Cap|Seccomp|NoNewPrivs|Groups|Uid|Gid|Sig(Blk|Ign|Cgt))" /proc/self/status; ulimit -a; ' +
        'cut -d" " -f4- /proc/self/mountinfo; ls /proc/self/fd; cat /proc/1/comm; env; id; umask; ' +
        'cat /proc/self/oom_score_adj /proc/self/coredump_filter /proc/self/timerslack_ns; cat /sys/class/net/*/operstate';
      for (const options of [
        { memory: '64m' },
        { init: false, user: '4711' },
        { capAdd: ['SYS_PTRACE'], readOnly: true },
        { securityOpt: ['seccomp=unconfined'], tty: true },
        { privileged: true },
      ]) {
        const pool = await pooled(['sh', '-c', script], { size: 1 }, options);
        const parked = await pool.run();
        const plain = await shop.engine.run(shop.busybox, ['sh', '-c', script], {
          stdin: 'pipe',
          ...options,
        });
        expect(pool.stats().hits).to.equal(1);
        // The kernel lists mounts in the order in which it has attached them.
        const comparable = (text: string) =>
          text
            .replace(/[0-9a-f]{64}|\b[0-9a-f]{12}\b|\b1\d{9}\b|\b4\d{9}\b|\d{6,}/g, 'N')
            .split('\n')
            .sort()
            .join('\n');
        expect(comparable(parked.stdout), JSON.stringify(options)).to.equal(
          comparable(plain.stdout),
        );
      }
    });

    it('A custom filter need not allow what the wait needs', async () => {
      const profile = shop.path('no-messages.json');
      const syscalls = [
        { names: ['recvmsg', 'recvfrom', 'getcwd', 'chdir'], action: 'SCMP_ACT_ERRNO' },
      ];
      await writeFile(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }));
      const pool = await sh('cat', 1, { securityOpt: [`seccomp=${profile}`] });
      expect(await outputOf(pool, { stdin: 'x', workdir: '/tmp' })).to.equal('x');
      expect(pool.stats()).to.include({ hits: 1 });
    });

    it('A container that is killed while it waits is replaced, and no job gets it', async () => {
      const pool = await sh('cat', 1);
      const [id = ''] = await ids();
      const [pid = 0] = await processesOf(id);
      process.kill(pid, 'SIGKILL');
      await eventually(() => expect(pool.stats()).to.include({ failures: 1, ready: 1 }));
      expect(pool.stats().lastFailure).to.include({ code: 'ERR_START_FAILED' });
      expect(await outputOf(pool, { stdin: 'x' })).to.equal('x');
      expect(pool.stats()).to.include({ hits: 1, misses: 0 });
    });

    it('Jobs of many pools leave nothing, no descriptor either', async () => {
      const cycle = async () => {
        const pool = await sh('cat', 2);
        await Promise.all(
          Array.from({ length: 5 }, (_, at) => outputOf(pool, { stdin: String(at) })),
        );
        await pool.close();
        await untilNothing(ids);
      };
      await cycle();
      const before = openDescriptors();
      for (let times = 0; times < 5; times++) await cycle();
      await eventually(() => expect(openDescriptors().length).to.be.at.most(before.length));
    });
  });

  describe('of programs that wait', () => {
    const worker =
      'echo starting; sleep 0.1; echo ready; echo noise >&2; read job; echo "did $job"';
    const READY = { log: 'ready' };

    it('The job is what the program reads, and what it wrote before is not its output', async () => {
      const pool = await pooled(['sh', '-c', worker], { size: 2, ready: READY });
      expect(pool.stats()).to.include({ ready: 2, refills: 2 });
      const jobs = await Promise.all([1, 2, 3].map((number) => pool.run({ stdin: `${number}\n` })));
      expect(jobs.map(({ stdout }) => stdout)).to.deep.equal(['did 1\n', 'did 2\n', 'did 3\n']);
      expect(pool.stats()).to.include({ hits: 2, misses: 1 });
    });

    it('What a program that runs cannot be given any more is given to another container', async () => {
      const script = 'echo ready; read job; echo $job $A';
      const pool = await pooled(
        ['sh', '-c', script],
        { size: 1, ready: READY },
        { env: { A: 'a' } },
      );
      expect(await outputOf(pool, { stdin: '1\n', env: { A: 'b' } })).to.equal('1 b\n');
      expect(pool.stats()).to.include({ hits: 0, misses: 1, ready: 1 });
      expect(await outputOf(pool, { stdin: '2\n' })).to.equal('2 a\n');
      expect(pool.stats()).to.include({ hits: 1 });
    });

    it('A prompt without a line end counts, and a pattern', async () => {
      for (const log of ['> ', /^go/]) {
        const pool = await pooled(['sh', '-c', 'printf "go> "; read job; echo $job'], { size: 1, ready: { log } }); // prettier-ignore
        expect(await outputOf(pool, { stdin: 'x\n' })).to.equal('x\n');
        await pool.close();
      }
    });

    it('A text of which one character comes in two parts counts', async () => {
      const script = "printf 'x\\303'; sleep 0.1; printf '\\251\\n'; cat";
      const pool = await pooled(['sh', '-c', script], { size: 1, ready: { log: 'xé', timeout: 5_000 * slowness } }); // prettier-ignore
      expect(await outputOf(pool, { stdin: 'x' })).to.equal('x');
    });

    it('Its input ends where a stream fails or is destroyed, before the job or in it', async () => {
      const pool = await pooled(['sh', '-c', 'echo ready; cat'], { size: 1, ready: READY });
      const stream = () => {
        const made = new Readable({ read: () => undefined });
        made.push('x');
        return made;
      };
      for (const error of [undefined, new Error('of the stream')]) {
        const early = stream().on('error', () => undefined);
        early.destroy(error);
        await new Promise((resolve) => early.once('close', resolve));
        expect(await outputOf(pool, { stdin: early, timeout: 5_000 * slowness })).to.equal('');
        const late = stream();
        const job = outputOf(pool, { stdin: late, timeout: 5_000 * slowness });
        setTimeout(() => late.destroy(error), 50);
        expect(await job).to.equal('x');
      }
    });

    it('A stream without end is not read when the program has ended', async () => {
      let reads = 0;
      const endless = new Readable({
        read() {
          reads++;
          setImmediate(() => this.push('x'.repeat(1000)));
        },
      });
      const script = 'echo ready; head -c 3';
      const pool = await pooled(['sh', '-c', script], { size: 1, ready: READY });
      expect(await outputOf(pool, { stdin: endless })).to.equal('xxx');
      expect(endless.destroyed).to.equal(false);
      // What the pipe and the stream keep for a reader has come.
      await settled(() => reads, 100);
      endless.destroy();
    });

    it('A program that ends when it was ready makes no pool', async () => {
      const error = await rejectionOf(
        pooled(['sh', '-c', 'echo ready'], { size: 50, ready: READY }),
      );
      expect(error).to.include({ code: 'ERR_START_FAILED' });
    });

    it('A pool whose programs end when they are ready pauses longer and longer', async () => {
      const flag = shop.path('flag');
      await mkdir(flag, { mode: 0o777 });
      const script = 'test -e /flag/ends || { echo ready; cat; }; echo ready';
      const pool = await pooled(
        ['sh', '-c', script],
        { size: 20, ready: READY },
        { volumes: [`${flag}:/flag`] },
      );
      await writeFile(`${flag}/ends`, '');
      const before = pool.stats();
      await Promise.all(Array.from({ length: 20 }, () => pool.run()));
      await new Promise((resolve) => setTimeout(resolve, 2_000)); // in which dozens would be started
      const { refills, failures } = pool.stats();
      expect(failures).to.be.above(1);
      // Two at a time, and pauses of 100 ms and more.
      expect(refills - before.refills).to.be.below(12);
    });

    it('A program that writes without end before it is ready is ended', async () => {
      const timeout = 60_000 * slowness;
      const error = await rejectionOf(
        pooled(['yes', 'y'.repeat(500)], { size: 1, ready: { log: 'never', timeout } }),
      );
      expect(error).to.include({ code: 'ERR_START_FAILED' });
      expect(error.message).to.match(/wrote \d{9} bytes before it was ready/);
    });

    it('A port on which the program listens counts', async () => {
      const script = 'sleep 0.1; nc -l -p 8080 127.0.0.1 </dev/null & cat';
      const pool = await pooled(['sh', '-c', script], { size: 1, ready: { port: 8080 } });
      const [id = ''] = await ids();
      const [pid = 0] = await processesOf(id);
      expect(readFileSync(`/proc/${pid}/net/tcp`, 'utf8')).to.include(':1F90 00000000:0000 0A');
      expect(await outputOf(pool, { stdin: 'x' })).to.equal('x');
    });

    it('A program that ends or is late before it is ready makes no pool, and leaves nothing', async () => {
      const ended = await rejectionOf(
        pooled(['sh', '-c', 'echo why >&2; exit 3'], { size: 2, ready: READY }),
      );
      expect(ended).to.include({ code: 'ERR_START_FAILED' });
      expect(ended.message).to.match(/ended with 3 before it was ready: why$/);
      const late = await rejectionOf(
        pooled(['sleep', '99'], { size: 2, ready: { ...READY, timeout: 200 } }),
      );
      expect(late).to.include({ code: 'ERR_TIMEOUT' });
      const missing = await rejectionOf(pooled(['nowhere'], { size: 2, ready: READY }));
      expect(missing).to.include({ code: 'ERR_COMMAND_NOT_FOUND' });
      await untilNothing(ids);
    });
  });

  it('What a pool ends when it is closed is no failure', async () => {
    const ready = { log: 'ready' };
    const pool = await pooled(['sh', '-c', 'sleep 0.3; echo ready; cat'], { size: 1, ready });
    await pool.run();
    await eventually(() => expect(pool.stats().starting).to.equal(1));
    await pool.close();
    expect(pool.stats()).to.include({ ready: 0, starting: 0, failures: 0, lastFailure: undefined });
  });

  it('A closed engine ends what waits, and says so to jobs', async () => {
    const engine = await shop.openAnother();
    const ready = { log: 'ready' };
    const pool = await engine.pool(shop.busybox, ['sh', '-c', 'echo ready; cat'], {}, { size: 2, ready }); // prettier-ignore
    expect(await ids()).to.have.length(2);
    await engine.close();
    expect(await ids()).to.deep.equal([]);
    expect((await rejectionOf(pool.run())).code).to.equal('ERR_ENGINE_CLOSED');
    await pool.close();
  });

  it('Bad options are typed errors, and nothing is made', async () => {
    const bad: readonly (readonly [PoolRunOptions, unknown])[] = [
      [{}, { size: 0 }],
      [{}, { size: 1.5 }],
      [{}, {}],
      [{}, { size: 1, ready: 'now' }],
      [{}, { size: 1, ready: {} }],
      [{}, { size: 1, ready: { log: 'x', port: 1 } }],
      [{}, { size: 1, ready: { log: 7 } }],
      [{}, { size: 1, ready: { port: 70_000 } }],
      [{}, { size: 1, ready: { log: 'x', timeout: -1 } }],
      [{}, { size: 1, sise: 1 }],
      [
        { stdout: 'ignore', stderr: 'ignore' },
        { size: 1, ready: { log: 'x' } },
      ],
      [
        { stdout: 'ignore', tty: true },
        { size: 1, ready: { log: 'x' } },
      ],
      [{ memory: 'much' }, { size: 1 }],
      [{ stdin: 'pipe' } as never, { size: 1 }],
      [{ signal: new AbortController().signal } as never, { size: 1 }],
      [{ name: 'x' }, { size: 1 }],
    ];
    for (const argv of [undefined, 'true', [7]])
      expect((await rejectionOf(pooled(argv as never, { size: 1 }))).code).to.equal('ERR_INVALID_OPTION'); // prettier-ignore
    for (const [options, pool] of bad) {
      const { code } = await rejectionOf(
        shop.engine.pool(shop.busybox, ['true'], options, pool as PoolOptions),
      );
      expect(code, JSON.stringify([options, pool])).to.equal('ERR_INVALID_OPTION');
    }
    expect(await ids()).to.deep.equal([]);
  });

  it('A bad job is a typed error, and uses no container', async () => {
    const pool = await pooled(['sh', '-c', 'echo ready; cat'], {
      size: 1,
      ready: { log: 'ready' },
    });
    for (const job of [
      { args: 'x' },
      { args: ['\0'] },
      { env: 7 },
      { env: ['=x'] },
      { workdir: 'relative' },
      { stdin: 7 },
      { stdin: { pipe: () => undefined } },
      { stdin: new Writable() },
      { timeout: -1 },
      { signal: {} },
      { memory: '1g' },
      7,
    ]) {
      const { code } = await rejectionOf(pool.run(job as JobOptions));
      expect(code, JSON.stringify(job)).to.equal('ERR_INVALID_OPTION');
    }
    expect((await rejectionOf(pool.run({ signal: AbortSignal.abort() }))).code).to.equal('ERR_ABORTED'); // prettier-ignore
    expect(pool.stats()).to.include({ ready: 1, hits: 0, misses: 0 });
    await pool.close();
    expect((await rejectionOf(pool.run())).code).to.equal('ERR_ENGINE_CLOSED');
  });

  for (const moment of ['filling', 'waiting', 'claimed', 'refilling']) {
    root.it(`Pools under kill -9 of Node leave nothing (${moment})`, async () => {
      const program = fileURLToPath(new URL('../support/programs/killed-pool.js', import.meta.url));
      const [dataRoot, runRoot] = [shop.path(moment, 'data'), shop.path(moment, 'run')];
      const args = [program, shop.path('busybox'), dataRoot, runRoot, moment];
      const killed = await promisify(execFile)(process.execPath, args, {
        timeout: 50_000 * slowness,
        killSignal: 'SIGTERM',
      }).catch((error: unknown) => error as { stdout: string; signal: string });
      expect('signal' in killed && killed.signal).to.equal('SIGKILL');
      const { ids } = JSON.parse(killed.stdout) as { ids: string[] };
      if (moment !== 'filling') expect(ids.length).to.be.at.least(5);
      await using engine = await Engine.open({ dataRoot, runRoot });
      for (const id of ids) await untilNothing(() => tracesOf(id, engine.dataRoot));
      await untilNothing(() => readdir(`${dataRoot}/containers`));
    });
  }
});
