/** `stop` and `restart`. */
import type { CommandSpec, Flag } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { integer } from '../args/flag-values.js';
import { SIGNALS } from './common-flags.js';

const FLAGS: readonly Flag[] = [
  HELP_FLAG,
  {
    long: 'signal',
    short: 's',
    value: 'signal',
    completes: SIGNALS,
    help: "Signal that asks the program to end (default: the container's stop signal)",
  },
  {
    long: 'timeout',
    check: integer,
    short: 't',
    aliases: ['time'],
    value: 's',
    help: "Seconds until the program is killed; -1: never (default: the container's stop timeout, 10)",
  },
];

export const STOP: CommandSpec = {
  name: 'stop',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Ask containers to end, and kill them if they do not',
  examples: [
    ['caisson stop web', 'with the timeout and the signal that web was created with'],
    ['caisson stop -t 1 -s INT web', 'with other ones'],
  ],
  argument: 'running',
  flags: FLAGS,
  args: [1, Infinity],
};
export const RESTART: CommandSpec = {
  name: 'restart',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Stop containers and start them again',
  examples: [['caisson restart -t 1 web', 'with one second to stop']],
  argument: 'all',
  flags: FLAGS,
  args: [1, Infinity],
};
