/** `rename`. */
import type { CommandSpec } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';

export const RENAME: CommandSpec = {
  name: 'rename',
  flags: [HELP_FLAG],
  args: [2, 2],
};
