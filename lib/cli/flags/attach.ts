/** `attach`. */
import type { CommandSpec } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';
import { DETACH_KEYS_FLAG, SIG_PROXY_FLAG } from './common.js';

export const ATTACH: CommandSpec = {
  name: 'attach',
  flags: [
    DETACH_KEYS_FLAG,
    { long: 'no-stdin', help: 'Do not send it what is typed' },
    SIG_PROXY_FLAG,
    HELP_FLAG,
  ],
  args: [1, 1],
};
