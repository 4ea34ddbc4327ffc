/** `--log-driver` and `--log-opt`, `logDriver` and `logOptions`: where a container's output is stored, and how much of it. */
import { splitAssignment } from '../../base/assignment.js';
import { invalid, isRecordOrList, stringList, unsupported, wholeNumber } from '../../base/check.js';
import { parseSize } from '../../base/units.js';

/** Where the output of a detached container goes. */
export interface LogConfig {
  /** `json-file`: files in Docker’s format; `none`: nowhere. */
  readonly driver: 'json-file' | 'none';
  /** Bytes; a file that is larger is rotated. */
  readonly maxSize: number;
  /** Files in all. */
  readonly maxFile: number;
}

/** Bounded, where Docker's is not. */
export const DEFAULT_LOG: LogConfig = Object.freeze({
  driver: 'json-file',
  maxSize: 10 * 2 ** 20,
  maxFile: 3,
});

/** What `max-size=-1` becomes: Docker's "no limit". */
export const UNLIMITED_LOG_SIZE = Number.MAX_SAFE_INTEGER;

/** Smaller ones would be rotated at almost every line. */
const MIN_SIZE = 4096;
const MAX_FILES = 1000;

/** Docker's other drivers (moby daemon/logger). */
const ELSEWHERE: ReadonlySet<string> = new Set(
  'local syslog journald gelf fluentd awslogs splunk etwlogs gcplogs logentries'.split(' '),
);
/** Options of Docker's json-file driver that this one does not have. */
const UNSUPPORTED: ReadonlySet<string> = new Set(
  'labels labels-regex env env-regex tag max-buffer-size'.split(' '),
);

/** A record, or `key=value` strings. */
export type LogDriverOptions = Readonly<Record<string, string | number>> | readonly string[];

export interface LogOptionNames {
  readonly driver: string;
  readonly options: string;
}

/** `names` are the words for error texts: the flags', or the library's. */
export function parseLogConfig(
  driver: string | undefined,
  options: LogDriverOptions | undefined,
  names: LogOptionNames = { driver: 'logDriver', options: 'logOptions' },
): LogConfig {
  const chosen = parseDriver(names.driver, driver);
  const pairs = optionPairs(names.options, options);
  if (chosen === 'none') {
    const [first] = pairs;
    if (first !== undefined)
      throw invalid(names.options, first[0], 'is not an option of the log driver "none"');
    return { driver: 'none', maxSize: 0, maxFile: 0 };
  }
  let { maxSize, maxFile } = DEFAULT_LOG;
  for (const [name, value] of pairs) {
    const given = `${name}=${value}`;
    switch (name) {
      case 'max-size':
        maxSize = parseMaxSize(names.options, given, value);
        break;
      case 'max-file':
        if (!/^\d+$/.test(value))
          throw invalid(names.options, given, 'does not say a number of files');
        maxFile = wholeNumber(names.options, value, 1, MAX_FILES);
        break;
      case 'compress':
        if (value !== 'true' && value !== 'false')
          throw invalid(names.options, given, 'is neither true nor false');
        if (value === 'true')
          throw unsupported(
            names.options,
            given,
            'is not supported: rotated files stay as they are',
          );
        break;
      case 'mode':
        if (value !== 'blocking' && value !== 'non-blocking')
          throw invalid(names.options, given, 'is neither blocking nor non-blocking');
        if (value === 'non-blocking')
          throw unsupported(names.options, given, 'is not supported: output is never dropped');
        break;
      default:
        throw UNSUPPORTED.has(name)
          ? unsupported(names.options, name, 'is a log option that is not supported')
          : invalid(
              names.options,
              name,
              'is not an option of the log driver "json-file"',
              'max-size or max-file',
            );
    }
  }
  return { driver: 'json-file', maxSize, maxFile };
}

function parseDriver(option: string, value: string | undefined): LogConfig['driver'] {
  if (value === undefined || value === '' || value === 'json-file') return 'json-file';
  if (value === 'none') return value;
  throw ELSEWHERE.has(value)
    ? unsupported(option, value, 'is a log driver that caisson does not have', 'json-file or none')
    : invalid(option, value, 'is not a log driver', 'json-file or none');
}

function parseMaxSize(option: string, given: string, value: string): number {
  if (value === '-1') return UNLIMITED_LOG_SIZE;
  let size: number;
  try {
    size = parseSize(option, value);
  } catch {
    throw invalid(option, given, 'does not say a size', 'such as 10m; -1 for no limit');
  }
  if (size < MIN_SIZE) throw invalid(option, given, `is below the minimum of ${MIN_SIZE} bytes`);
  return size;
}

function optionPairs(
  option: string,
  value: LogDriverOptions | undefined,
): readonly (readonly [string, string])[] {
  if (value === undefined) return [];
  if (!isRecordOrList(value)) throw invalid(option, value, 'is neither a record nor an array');
  if (!Array.isArray(value)) {
    return Object.entries(value as Readonly<Record<string, unknown>>).map(([name, setting]) => {
      if (typeof setting !== 'string' && typeof setting !== 'number')
        throw invalid(option, { [name]: setting }, 'is not a string or a number');
      return [name, String(setting)];
    });
  }
  return stringList(option, value).map((text) => {
    const { name, value: setting } = splitAssignment(text);
    if (name === '' || setting === undefined)
      throw invalid(option, text, 'is not NAME=value', 'such as max-size=10m');
    return [name, setting];
  });
}
