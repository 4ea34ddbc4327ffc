/** `version`. */
import type { CommandSpec } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';

export const VERSION: CommandSpec = {
  name: 'version',
  flags: [
    { long: 'format', short: 'f', value: 'json', completes: ['json'], help: 'Print as JSON' },
    HELP_FLAG,
  ],
  args: [0, 0],
};
