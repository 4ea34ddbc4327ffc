/** `pause` and `unpause`. */
import type { CommandSpec } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';

export const PAUSE: CommandSpec = { name: 'pause', flags: [HELP_FLAG], args: [1, Infinity] };
export const UNPAUSE: CommandSpec = { name: 'unpause', flags: [HELP_FLAG], args: [1, Infinity] };
