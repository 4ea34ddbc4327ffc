/** `stop` and `restart`. */
import type { CommandSpec, Flag } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';
import { integer } from '../flag-values.js';
import { SIGNALS } from './common.js';

const FLAGS: readonly Flag[] = [
  HELP_FLAG,
  {
    long: 'signal',
    short: 's',
    value: 'signal',
    completes: SIGNALS,
    help: "Signal that asks the program to end (default: the container's own)",
  },
  {
    long: 'timeout',
    check: integer,
    short: 't',
    aliases: ['time'],
    value: 's',
    help: "Seconds until it is killed; -1: never (default: the container's own, 10)",
  },
];

export const STOP: CommandSpec = { name: 'stop', flags: FLAGS, args: [1, Infinity] };
export const RESTART: CommandSpec = { name: 'restart', flags: FLAGS, args: [1, Infinity] };
