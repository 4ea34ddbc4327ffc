/** `completion`. */
import type { CommandSpec } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';

export const COMPLETION: CommandSpec = {
  name: 'completion',
  flags: [HELP_FLAG],
  args: [1, 1],
};
