/** Containers that wait for jobs, each for one. */
import { finished, type Readable } from 'node:stream';
import { CaissonError } from '../../base/errors.js';
import { newId } from '../../base/ids.js';
import { normalizeTimeout } from '../options/config.js';
import { type Execution, executionOf } from '../start/execution.js';
import { ExecutionController } from '../start/execution-controller.js';
import type { PoolRunOptions } from './pool-options.js';
import { checkJob, type JobOptions, type PoolStats, type Readiness } from './pool-options.js';
import { Standby, type StartContainer } from './standby.js';

/** Containers that are started at once. */
const AT_ONCE = 2;
/** Milliseconds without a job after which containers are started again, and the longest that is put off by jobs. */
const REST = 10;
const LONGEST_BURST = 200;
/** Milliseconds after a failure, doubled with each further one up to the second. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 10_000;
/** Of which statistics speak. */
const REMEMBERED = 100;

export interface PoolSetup {
  readonly start: StartContainer;
  readonly options: PoolRunOptions;
  readonly size: number;
  readonly readiness: Readiness;
  /** Its containers can wait before they execute their programs. */
  readonly parks: boolean;
}

let make: (setup: PoolSetup) => Pool;

/** Resolves when all containers wait. @throws what the first one that fails says; nothing is left then */
export async function openPool(setup: PoolSetup): Promise<Pool> {
  const pool = make(setup);
  try {
    await pool.filled();
    return pool;
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** Containers that wait for jobs, made by `Engine.pool`. */
export class Pool {
  readonly #setup: PoolSetup;
  readonly #ready: Standby[] = [];
  readonly #all = new Set<Standby>();
  #starting = 0;
  #hits = 0;
  #misses = 0;
  #refills = 0;
  #failures = 0;
  #failuresInTurn = 0;
  #lastFailure: Error | undefined;
  readonly #readyTimes: number[] = [];
  readonly #missTimes: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #burstBegan: number | undefined;
  /** After failures. */
  #pausedUntil = 0;
  #isClosed = false;

  static {
    make = (setup) => new Pool(setup);
  }

  private constructor(setup: PoolSetup) {
    this.#setup = setup;
  }

  /**
   * Runs a job in a container that waits, which no other job gets; if none waits, or the ones that do cannot be given what the job asks for, in one that is
   * started for it. What a container has written before is not the job's output.
   *
   * Rejects with ERR_INVALID_OPTION, ERR_ABORTED, ERR_ENGINE_CLOSED, and what `Engine.run` rejects with.
   *
   * @example
   * const pool = await engine.pool('busybox', ['sh', '-c', 'echo $NAME'], {}, { size: 1 });
   * console.log((await pool.run({ env: { NAME: 'job 7' }, timeout: 5_000 })).stdout.trim()); // job 7
   * await pool.close();
   */
  run(job: JobOptions = {}): Execution {
    try {
      if (this.#isClosed)
        throw new CaissonError('ERR_ENGINE_CLOSED', 'the pool is closed', { stage: 'config' });
      return executionOf(this.#begin(checkJob(job)));
    } catch (error) {
      const failed = new ExecutionController(newId(), {});
      failed.hasFailed(error);
      return executionOf(failed);
    }
  }

  /**
   * What the pool has now, and what it has done so far.
   *
   * @example
   * const pool = await engine.pool('busybox', ['true'], {}, { size: 2 });
   * await pool.run();
   * const { size, hits, misses } = pool.stats();
   * console.log(size, hits, misses); // 2 1 0
   * await pool.close();
   */
  stats(): PoolStats {
    return {
      size: this.#setup.size,
      ready: this.#ready.length,
      starting: this.#starting,
      hits: this.#hits,
      misses: this.#misses,
      refills: this.#refills,
      failures: this.#failures,
      readyTime: mean(this.#readyTimes),
      missTime: mean(this.#missTimes),
      lastFailure: this.#lastFailure,
    };
  }

  /**
   * Ends the containers that wait, and resolves when nothing is left of them. Jobs go on.
   *
   * @example
   * const pool = await engine.pool('busybox', ['true'], {}, { size: 1 });
   * await pool.close();
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const left = [...this.#all];
    for (const each of left) each.end();
    await Promise.all(left.map(({ gone }) => gone));
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal All containers wait. Rejects with the first failure, also of one that had come to wait. */
  async filled(): Promise<void> {
    if (!this.#canWait) return;
    const worker = async (): Promise<void> => {
      while (this.#missing > 0) {
        if (this.#lastFailure !== undefined) throw this.#lastFailure;
        await this.#add();
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, this.#setup.size) }, worker));
  }

  get #missing(): number {
    return this.#setup.size - this.#ready.length - this.#starting;
  }

  /** Otherwise each job gets a container of its own. */
  get #canWait(): boolean {
    return this.#setup.parks || this.#setup.readiness.condition !== undefined;
  }

  #begin(job: JobOptions): ExecutionController {
    const standby = this.#take(job);
    if (standby !== undefined) {
      const { run } = standby;
      run.begin(this.#limits(job), job.signal);
      this.#hits++;
      this.#failuresInTurn = 0;
      feed(run, job.stdin);
      this.#refillLater();
      return run;
    }
    this.#misses++;
    this.#refillLater();
    return this.#startFor(job);
  }

  #limits({ timeout = this.#setup.options.timeout }: JobOptions): { timeout: number | undefined } {
    return { timeout: normalizeTimeout(timeout) };
  }

  /** A container that waits, and has taken what it needs of the job. */
  #take(job: JobOptions): Standby | undefined {
    const { parks } = this.#setup;
    const { args, env, workdir } = job;
    const changes = args !== undefined || env !== undefined || workdir !== undefined;
    if (!parks && changes) return undefined;
    for (let [next] = this.#ready; next !== undefined; [next] = this.#ready) {
      const taken = !parks || next.claim?.(changes ? job : undefined);
      // No container has room for the command.
      if (taken === undefined) return undefined;
      this.#ready.shift();
      if (taken) {
        this.#all.delete(next);
        return next;
      }
      next.end();
    }
    return undefined;
  }

  #startFor(job: JobOptions): ExecutionController {
    const { start, readiness, parks } = this.#setup;
    const begun = performance.now();
    if (parks || readiness.condition === undefined) {
      const run = start(job);
      feed(run, job.stdin);
      void run.started.then(
        () => remember(this.#missTimes, performance.now() - begun),
        () => undefined,
      );
      return run;
    }
    const standby = new Standby(start, job, readiness, false);
    const { run } = standby;
    run.watch(this.#limits(job), job.signal);
    standby.ready.then(
      () => {
        remember(this.#missTimes, performance.now() - begun);
        run.acceptOutput();
        feed(run, job.stdin);
      },
      (error: unknown) => run.hasFailed(error),
    );
    return run;
  }

  /** After jobs, not between them: containers that are being started would slow them down. */
  #refillLater(): void {
    if (this.#isClosed || !this.#canWait) return;
    const now = performance.now();
    this.#burstBegan ??= now;
    if (this.#timer !== undefined && now - this.#burstBegan > LONGEST_BURST) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#timer = this.#burstBegan = undefined;
        this.#refill();
      },
      Math.max(REST, Math.ceil(this.#pausedUntil - now)),
    ).unref();
  }

  #refill(): void {
    if (performance.now() < this.#pausedUntil) return this.#refillLater();
    while (!this.#isClosed && this.#missing > 0 && this.#starting < AT_ONCE)
      this.#add().then(
        () => this.#refill(),
        () => this.#refillLater(),
      );
  }

  /** One more container that waits. */
  async #add(): Promise<void> {
    const { start, readiness, parks } = this.#setup;
    const begun = performance.now();
    this.#starting++;
    const standby = new Standby(start, {}, readiness, parks);
    this.#all.add(standby);
    void standby.gone.then(() => this.#all.delete(standby));
    try {
      await standby.ready;
    } catch (error) {
      if (!this.#isClosed) this.#hasFailed(error);
      throw error;
    } finally {
      this.#starting--;
    }
    this.#refills++;
    remember(this.#readyTimes, performance.now() - begun);
    this.#ready.push(standby);
    const ended = (error?: unknown): void => {
      const at = this.#ready.indexOf(standby);
      if (at < 0) return;
      this.#ready.splice(at, 1);
      if (this.#isClosed) return;
      if (performance.now() - begun > LONGEST_PAUSE) this.#failuresInTurn = 0;
      this.#hasFailed(error ?? new CaissonError('ERR_START_FAILED', 'a container of the pool ended before a job came', { stage: 'container', path: standby.run.id })); // prettier-ignore
      this.#refillLater();
    };
    standby.run.result.then(() => ended(), ended);
  }

  #hasFailed(error: unknown): void {
    this.#failures++;
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failuresInTurn++);
    this.#pausedUntil = performance.now() + pause;
    this.#lastFailure = error instanceof Error ? error : new Error(String(error));
    if (error instanceof CaissonError && error.code === 'ERR_ENGINE_CLOSED') this.#isClosed = true;
  }
}

/** What the program reads. */
function feed({ stdin, result }: ExecutionController, input: JobOptions['stdin']): void {
  if (stdin === undefined) return;
  stdin.on('error', () => undefined);
  if (input === undefined) stdin.end();
  else if (typeof input === 'string' || input instanceof Uint8Array) stdin.end(input);
  else {
    const source: Readable = input;
    // Also where it has failed before. It is cut off, as a pipe is whose writer fails.
    finished(source, { writable: false }, () => stdin.end());
    source.pipe(stdin);
    // Or it would be read to its end, if it has one.
    const over = () => source.unpipe(stdin);
    result.then(over, over);
  }
}

function remember(times: number[], time: number): void {
  times.push(time);
  if (times.length > REMEMBERED) times.shift();
}

function mean(times: readonly number[]): number | undefined {
  if (times.length === 0) return undefined;
  return times.reduce((sum, time) => sum + time, 0) / times.length;
}
