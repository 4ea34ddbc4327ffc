/** `top`: what follows the container is for ps(1). */
import type { CommandSpec } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';

export const TOP: CommandSpec = {
  name: 'top',
  flags: [HELP_FLAG],
  endsAtArgument: true,
  args: [1, Infinity],
};
