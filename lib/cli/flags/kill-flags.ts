/** `kill`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { SIGNALS } from './common-flags.js';

export const KILL: CommandSpec = {
  name: 'kill',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Send containers a signal: KILL, unless said otherwise',
  examples: [
    ['caisson kill web', 'ends everything in it'],
    ['caisson kill -s HUP web', 'tells its main program'],
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
