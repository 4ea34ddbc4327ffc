/** `rm`. */
import type { CommandSpec } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';

export const RM: CommandSpec = {
  name: 'rm',
  flags: [
    { long: 'force', short: 'f', help: 'Kill what runs' },
    { long: 'volumes', short: 'v', help: 'With its anonymous volumes' },
    HELP_FLAG,
  ],
  unsupported: [{ long: 'link', short: 'l', value: false }],
  args: [1, Infinity],
};
