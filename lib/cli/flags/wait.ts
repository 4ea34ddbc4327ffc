/** `wait`. */
import type { CommandSpec } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';

export const WAIT: CommandSpec = {
  name: 'wait',
  flags: [HELP_FLAG],
  args: [1, Infinity],
};
