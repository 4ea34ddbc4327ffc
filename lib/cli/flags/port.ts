/** `port`. */
import type { CommandSpec } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';

export const PORT: CommandSpec = {
  name: 'port',
  flags: [HELP_FLAG],
  args: [1, 2],
};
