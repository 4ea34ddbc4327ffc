/** `kill`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { SIGNALS } from './common-flags.js';

export const KILL: CommandSpec = {
  name: 'kill',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Send a signal to containers (default KILL)',
  examples: [
    ['caisson kill web', 'ends all its processes'],
    ['caisson kill -s HUP web', 'sends HUP to its main program'],
  ],
  argument: 'running',
  flags: [
    {
      long: 'signal',
      short: 's',
      value: 'signal',
      completes: SIGNALS,
      help: 'Signal to send (default KILL)',
    },
    HELP_FLAG,
  ],
  args: [1, Infinity],
};
