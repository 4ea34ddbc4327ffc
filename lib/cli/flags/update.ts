/** `update`. */
import type { CommandSpec } from '../flag-table.js';
import { HELP_FLAG } from '../flag-table.js';
import { RESOURCE_FLAGS, RESTART_FLAG } from './resources.js';

export const UPDATE: CommandSpec = {
  name: 'update',
  flags: [HELP_FLAG, RESTART_FLAG, ...RESOURCE_FLAGS],
  unsupported: [
    { long: 'cpu-rt-period', value: true },
    { long: 'cpu-rt-runtime', value: true },
    { long: 'kernel-memory', value: true },
  ],
  args: [1, Infinity],
};
