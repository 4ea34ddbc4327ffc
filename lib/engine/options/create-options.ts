/** The options of a detached container: those of its runs, and those of its supervisor. */
import { boolean, invalid, isRecord, wholeNumber } from '../../base/check.js';
import { type Healthcheck, type HealthcheckOptions, parseHealthcheck } from './healthcheck.js';
import type { RunOptions } from './options.js';
import { parseSignal } from '../../base/signals.js';
import { type LogConfig, type LogDriverOptions, parseLogConfig } from './log-config.js';
import { parseRestartPolicy, type RestartPolicy } from './restart-policy.js';

/** Options of a run that concern the caller's process. */
export type CallerOption =
  'signal' | 'stdin' | 'stdout' | 'stderr' | 'timeout' | 'maxOutput' | 'maxLine';

/** What `Engine.create` can be asked for. An unknown option is ERR_INVALID_OPTION. */
export interface CreateOptions extends Omit<RunOptions, CallerOption> {
  /** Default `no`. As a text, Docker's: `on-failure:3`. */
  readonly restart?: string | RestartPolicy | undefined;
  /** Removes the container when it has exited. */
  readonly autoRemove?: boolean | undefined;
  /** Seconds that `stop` waits before it kills; -1: for ever. Default 10. */
  readonly stopTimeout?: number | undefined;
  /** `json-file` (default) or `none`. */
  readonly logDriver?: string | undefined;
  /** `max-size` (default 10m) and `max-file` (default 3). */
  readonly logOptions?: LogDriverOptions | undefined;
  /** Keeps standard input open; without it the program reads from /dev/null. */
  readonly openStdin?: boolean | undefined;
  /** Standard input ends with the first client that was attached to it. */
  readonly stdinOnce?: boolean | undefined;
  /** Checks its health at intervals while it runs. Default: the image's, or none; `none`: not even the image's. */
  readonly healthcheck?: HealthcheckOptions | 'none' | undefined;
}

export interface DetachedOptions {
  readonly restart: RestartPolicy;
  readonly autoRemove: boolean;
  readonly stopSignal: number;
  readonly stopTimeout: number;
  readonly log: LogConfig;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly healthcheck: Healthcheck | undefined;
}

const SIGTERM = 15;
/** Seconds. */
export const DEFAULT_STOP_TIMEOUT = 10;
const MAX_STOP_TIMEOUT = 2_000_000;

/** Options that only `run` has: in the library's spelling. */
const FOREIGN: readonly CallerOption[] = [
  'signal',
  'stdin',
  'stdout',
  'stderr',
  'timeout',
  'maxOutput',
  'maxLine',
];

const INSTEAD: Readonly<Partial<Record<CallerOption, string>>> = {
  stdin: ': without openStdin its input is empty, and attach() connects to it',
  stdout: ': its output is logged (logDriver), and attach() connects to it',
  stderr: ': its output is logged (logDriver), and attach() connects to it',
};

/** Splits them into the options of its runs and those of its life cycle, the latter with their defaults. */
export function splitOptions(options: CreateOptions): {
  run: RunOptions;
  detached: DetachedOptions;
} {
  if (!isRecord(options)) throw invalid('options', options, 'is not an object');
  const {
    restart,
    autoRemove,
    stopTimeout,
    logDriver,
    logOptions,
    openStdin,
    stdinOnce,
    healthcheck,
    ...run
  } = options;
  for (const name of FOREIGN) {
    const value = (run as RunOptions)[name];
    if (value !== undefined)
      throw invalid(
        name,
        value,
        'is an option of run only',
        `a detached container has none${INSTEAD[name] ?? ''}`,
      );
  }
  const policy = parseRestartPolicy('restart', restart);
  const remove = flag('autoRemove', autoRemove);
  if (remove && policy.name !== 'no')
    throw invalid(
      'restart',
      restart,
      'excludes autoRemove',
      'a container is either restarted or removed when it exits',
    );
  return {
    run,
    detached: {
      restart: policy,
      autoRemove: remove,
      stopSignal:
        run.stopSignal === undefined ? SIGTERM : parseSignal('stopSignal', run.stopSignal),
      stopTimeout:
        stopTimeout === undefined
          ? DEFAULT_STOP_TIMEOUT
          : wholeNumber('stopTimeout', stopTimeout, -1, MAX_STOP_TIMEOUT),
      log: parseLogConfig(logDriver, logOptions),
      openStdin: flag('openStdin', openStdin),
      stdinOnce: flag('stdinOnce', stdinOnce),
      healthcheck: parseHealthcheck(healthcheck),
    },
  };
}

function flag(option: string, value: boolean | undefined): boolean {
  return value === undefined ? false : boolean(option, value);
}
