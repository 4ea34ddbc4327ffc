/** `kill`. */
import type { CommandSpec } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';
import { SIGNALS } from './common.js';

export const KILL: CommandSpec = {
  name: 'kill',
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
