/** Flags that several commands have. */
import type { Flag } from '../args/command-spec.js';
import { nameAndValue } from '../args/flag-values.js';

export const DETACH_KEYS_FLAG: Flag = {
  long: 'detach-keys',
  value: 'keys',
  help: 'Keys that detach from the container (default ctrl-p,ctrl-q)',
};

export const SIG_PROXY_FLAG: Flag = {
  long: 'sig-proxy',
  help: 'Pass signals on to the container (default true)',
};

export const FILTER_FLAG: Flag = {
  long: 'filter',
  check: nameAndValue,
  short: 'f',
  value: 'filter',
  repeatable: true,
  help: 'Only what matches the filter key=value',
};

/** Of the commands that remove what is not in use. @param filter help of `--filter` */
export function pruneFlags(filter: string): readonly Flag[] {
  return [
    { long: 'filter', check: nameAndValue, value: 'filter', repeatable: true, help: filter },
    { long: 'force', short: 'f', help: 'Do not prompt for confirmation' },
  ];
}

/** The format of a list. */
export const LIST_FORMAT_FLAG: Flag = {
  long: 'format',
  value: 'format',
  completes: ['table', 'json'],
  help: 'table, table TEMPLATE, json, or a template for each line',
};

export const NO_TRUNC_FLAG: Flag = { long: 'no-trunc', help: 'Do not truncate output' };

/** Environment variables, for `run` and `exec`. */
export const ENV_FILE_FLAG: Flag = {
  long: 'env-file',
  value: 'file',
  repeatable: true,
  completes: 'file',
  help: 'Read environment variables from a file',
};

/** The signals that are used most with `kill` and `stop`. */
export const SIGNALS: readonly string[] = [
  'HUP',
  'INT',
  'QUIT',
  'KILL',
  'USR1',
  'USR2',
  'TERM',
  'CONT',
  'STOP',
];
