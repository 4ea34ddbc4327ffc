/** `update`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { RESOURCE_FLAGS, RESTART_FLAG } from './resource-flags.js';

export const UPDATE: CommandSpec = {
  name: 'update',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Change the limits and the restart policy of containers',
  examples: [
    ['caisson update -m 256m --cpus 2 web', 'at once'],
    ['caisson update --restart unless-stopped web db', 'both containers'],
  ],
  argument: 'all',
  flags: [HELP_FLAG, RESTART_FLAG, ...RESOURCE_FLAGS],
  unsupported: [
    { long: 'cpu-rt-period', value: true },
    { long: 'cpu-rt-runtime', value: true },
    { long: 'kernel-memory', value: true },
  ],
  args: [1, Infinity],
};
