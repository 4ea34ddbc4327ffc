/** `info`. */
import type { CommandSpec } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';

export const INFO: CommandSpec = {
  name: 'info',
  flags: [
    {
      long: 'format',
      short: 'f',
      value: 'template',
      completes: ['json'],
      help: 'Print as JSON, or by a template: {{.CgroupVersion}}',
    },
    HELP_FLAG,
  ],
  args: [0, 0],
};
