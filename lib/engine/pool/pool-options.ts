/** What a pool is asked for, checked. */
import type { Readable } from 'node:stream';
import {
  checkOptions,
  invalid,
  isRecord,
  plainString,
  stringList,
  wholeNumber,
} from '../../base/check.js';
import { checkAbortSignal } from '../../base/abort-signals.js';
import { CaissonError } from '../../base/errors.js';
import { normalizeTimeout, normalizeWorkdir } from '../options/config.js';
import { normalizeEnv } from '../options/env.js';
import type { RunOptions } from '../options/options.js';

/** The options of all containers of a pool; those of one job are given with it. `timeout` is a job's, from when it is run. */
export type PoolRunOptions = Omit<RunOptions, 'signal' | 'stdin'>;

/** How many containers wait, and for what. */
export interface PoolOptions {
  /** Containers that wait, from 1 to 1024. */
  readonly size: number;
  /**
   * What a container has done when it waits. Default `exec`: all but to execute its program, which a job may give other arguments, other
   * variables and another directory. Otherwise its program runs, and has written a line to stdout or stderr that contains a text
   * or matches a pattern (what there is of a line counts), or listens on a TCP port.
   */
  readonly ready?: 'exec' | ReadyCondition | undefined;
}

/** By what a program that runs says that it waits: one of `log` and `port`. */
export interface ReadyCondition {
  /** In a line of stdout or stderr, from the program's start on. */
  readonly log?: string | RegExp | undefined;
  /** A TCP port of the container. */
  readonly port?: number | undefined;
  /** Milliseconds that a container may take for it. Default 60,000. */
  readonly timeout?: number | undefined;
}

/** What one container of a pool is to do. */
export interface JobOptions {
  /** Behind those of the pool. */
  readonly args?: readonly string[] | undefined;
  /** Beside those of the pool, and in place of those with the same names. */
  readonly env?: RunOptions['env'];
  /** An absolute path in the container. Default: the pool's. */
  readonly workdir?: string | undefined;
  /**
   * What its program reads, up to the end. Default: nothing. A stream that fails or is destroyed ends there. Nothing more is read of a stream, and it
   * is not destroyed, when the program ends.
   */
  readonly stdin?: string | Uint8Array | Readable | undefined;
  /** Milliseconds, after which the whole container is killed. Default: the pool's. */
  readonly timeout?: number | undefined;
  /** Aborting kills the whole container. */
  readonly signal?: AbortSignal | undefined;
}

/** What a pool has, and what it has done since it was opened. */
export interface PoolStats {
  /** As it was asked for. */
  readonly size: number;
  /** Containers that wait now. */
  readonly ready: number;
  /** Containers that are being started to wait. */
  readonly starting: number;
  /** Jobs that got a container that waited. */
  readonly hits: number;
  /** Jobs for which a container was started. */
  readonly misses: number;
  /** Containers that have come to wait, the first ones included. */
  readonly refills: number;
  /** Containers that could not be started, or ended before a job came. */
  readonly failures: number;
  /** Milliseconds from the start of a container until it waits, of the last 100. Undefined without one. */
  readonly readyTime: number | undefined;
  /** Milliseconds that the last 100 jobs for which a container was started have waited for it. Undefined without one. */
  readonly missTime: number | undefined;
  /** Why the last container could not be started. */
  readonly lastFailure: Error | undefined;
}

export interface Readiness {
  /** Undefined: before its program is executed. */
  readonly condition: Omit<ReadyCondition, 'timeout'> | undefined;
  readonly timeout: number;
}

const MOST = 1024;
const DEFAULT_READY_TIMEOUT = 60_000;

/** @throws ERR_INVALID_OPTION */
export function normalizePool(options: PoolOptions): { size: number; readiness: Readiness } {
  const { size, ready = 'exec', ...others } = checkOptions(options, 'pool');
  refuseOthers('pool', others);
  return { size: wholeNumber('size', size, 1, MOST), readiness: normalizeReady(ready) };
}

function normalizeReady(ready: unknown): Readiness {
  if (ready === 'exec') return { condition: undefined, timeout: DEFAULT_READY_TIMEOUT };
  if (!isRecord(ready)) throw invalid('ready', ready, 'is neither "exec" nor a condition');
  const { log, port, timeout = DEFAULT_READY_TIMEOUT, ...others } = ready as ReadyCondition;
  refuseOthers('ready', others);
  if ((log === undefined) === (port === undefined))
    throw invalid('ready', ready, 'does not name one of log and port');
  if (log !== undefined && typeof log !== 'string' && !(log instanceof RegExp))
    throw invalid('ready.log', log, 'is neither a text nor a regular expression');
  return {
    condition: {
      log,
      port: port === undefined ? undefined : wholeNumber('ready.port', port, 1, 65_535),
    },
    timeout: wholeNumber('ready.timeout', timeout, 1, 2 ** 31 - 1),
  };
}

/** @throws ERR_INVALID_OPTION */
export function checkJob(job: JobOptions): JobOptions {
  const { args, env, workdir, stdin, timeout, signal, ...others } = checkOptions(job, 'job');
  refuseOthers('job', others);
  if (args !== undefined) for (const text of stringList('args', args)) plainString('args', text);
  normalizeEnv(env);
  if (workdir !== undefined) normalizeWorkdir(workdir);
  normalizeTimeout(timeout);
  checkAbortSignal(signal);
  if (
    stdin !== undefined &&
    typeof stdin !== 'string' &&
    !(stdin instanceof Uint8Array) &&
    !isReadable(stdin)
  )
    throw invalid('stdin', stdin, 'is neither a text, nor bytes, nor a stream');
  if (signal?.aborted === true)
    throw new CaissonError('ERR_ABORTED', 'the signal was aborted before the start', {
      stage: 'config',
      path: 'signal',
      cause: signal.reason,
    });
  return job;
}

/** Of any realm, or a substitute. */
function isReadable(value: unknown): boolean {
  const { on, pipe, read } = (isRecord(value) ? value : {}) as Partial<Readable>;
  return [on, pipe, read].every((method) => typeof method === 'function');
}

function refuseOthers(where: string, others: object): void {
  for (const [name, value] of Object.entries(others) as [string, unknown][])
    if (value !== undefined) throw invalid(`${where}.${name}`, value, 'is no option there');
}
