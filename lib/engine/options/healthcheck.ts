/** How a container is asked whether it is well: Docker's HEALTHCHECK, its defaults and its bounds. */
import { invalid, isRecord, plainString, stringList, wholeNumber } from '../../base/check.js';
import { parseDuration } from '../../base/units.js';

/** How a container is asked whether it is well. Times are milliseconds, or in Go's spelling: `1m30s`. 0 is the default. */
export interface HealthcheckOptions {
  /** Run in the container as `exec` would; a text by `/bin/sh -c`. Exit code 0: it is healthy. Default: the image's. */
  readonly test?: string | readonly string[] | undefined;
  /** From the start to the first check, and from the end of each to the next. Default 30 s. */
  readonly interval?: number | string | undefined;
  /** A check that takes longer is killed and has failed. Default 30 s. */
  readonly timeout?: number | string | undefined;
  /** After the start, failures do not count for so long, unless a check has succeeded. Default: not at all. */
  readonly startPeriod?: number | string | undefined;
  /** In place of `interval` in that time. Default 5 s. */
  readonly startInterval?: number | string | undefined;
  /** So many failures in a row make it unhealthy. Default 3. */
  readonly retries?: number | undefined;
}

/** A health check, as it is stored. Times in milliseconds; 0: what was not said, and is Docker's default. */
export interface Healthcheck {
  /** A text is run by `/bin/sh -c`. */
  readonly test: string | readonly string[];
  /** Between two checks. */
  readonly interval: number;
  /** After which a check has failed. */
  readonly timeout: number;
  /** From the start, in which failures do not count. */
  readonly startPeriod: number;
  /** Between two checks in that time. */
  readonly startInterval: number;
  /** Failures in a row that make it unhealthy. */
  readonly retries: number;
}

const DEFAULTS = {
  interval: 30_000,
  timeout: 30_000,
  startPeriod: 0,
  startInterval: 5000,
  retries: 3,
} as const;

const TIMES = ['interval', 'timeout', 'startPeriod', 'startInterval'] as const;

/** Milliseconds: 23 days, as far as a supervisor waits. */
const MAX_TIME = 2_000_000_000;
const MAX_RETRIES = 2 ** 31 - 1;

/** What each part is called where it was given. */
export type HealthcheckNames = Readonly<Record<keyof HealthcheckOptions, string>>;

const NAMES: HealthcheckNames = {
  test: 'healthcheck.test',
  interval: 'healthcheck.interval',
  timeout: 'healthcheck.timeout',
  startPeriod: 'healthcheck.startPeriod',
  startInterval: 'healthcheck.startInterval',
  retries: 'healthcheck.retries',
};

/** As it is stored: what was not said is 0. */
export function parseHealthcheck(
  options: HealthcheckOptions | 'none' | undefined,
): Healthcheck | undefined {
  if (options === undefined || options === 'none') return undefined;
  if (!isRecord(options)) throw invalid('healthcheck', options, 'is not an object');
  for (const key in options) {
    if (!Object.hasOwn(NAMES, key))
      throw invalid('healthcheck', key, 'is not a part of a health check');
  }
  return { test: parseTest(options.test), ...parseTimes(options, NAMES) };
}

/** Everything but the command. */
export function parseTimes(
  options: Readonly<Partial<Record<Exclude<keyof HealthcheckOptions, 'test'>, unknown>>>,
  names: HealthcheckNames,
): Omit<Healthcheck, 'test'> {
  const [interval, timeout, startPeriod, startInterval] = TIMES.map((part) =>
    time(names[part], options[part]),
  );
  const { retries } = options;
  return {
    interval: interval ?? 0,
    timeout: timeout ?? 0,
    startPeriod: startPeriod ?? 0,
    startInterval: startInterval ?? 0,
    retries: retries === undefined ? 0 : wholeNumber(names.retries, retries, 0, MAX_RETRIES),
  };
}

function time(name: string, value: unknown): number {
  if (value === undefined) return 0;
  const milliseconds = parseDuration(name, value as number | string);
  if (milliseconds > 0 && milliseconds < 1) throw invalid(name, value, 'is less than 1ms');
  if (milliseconds > MAX_TIME) throw invalid(name, value, `is more than ${MAX_TIME} milliseconds`);
  return Math.round(milliseconds);
}

function parseTest(test: unknown): Healthcheck['test'] {
  if (typeof test === 'string') {
    if (test === '') throw invalid(NAMES.test, test, 'is empty');
    return plainString(NAMES.test, test);
  }
  const words = stringList(NAMES.test, test);
  if (words.length === 0) throw invalid(NAMES.test, test, 'is empty');
  if (words[0] === '') throw invalid(NAMES.test, test, 'begins with an empty command');
  return words;
}

/** With the defaults in place of what was not said. */
export function withDefaults(check: Healthcheck): Healthcheck {
  return {
    test: check.test,
    interval: check.interval || DEFAULTS.interval,
    timeout: check.timeout || DEFAULTS.timeout,
    startPeriod: check.startPeriod,
    startInterval: check.startInterval || DEFAULTS.startInterval,
    retries: check.retries || DEFAULTS.retries,
  };
}

/** The command line of the check. */
export function testCommand({ test }: Healthcheck): readonly string[] {
  return typeof test === 'string' ? ['/bin/sh', '-c', test] : test;
}
