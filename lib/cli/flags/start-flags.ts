/** `start`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { DETACH_KEYS_FLAG, FILTER_FLAG } from './common-flags.js';

export const START: CommandSpec = {
  name: 'start',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Start stopped containers',
  examples: [
    ['caisson start web db', 'both containers'],
    ['caisson start -ai shell', 'with this terminal'],
    ['caisson start --all --filter should-start-on-boot=true', 'what a systemd unit runs at boot'],
  ],
  argument: 'stopped',
  flags: [
    { long: 'all', help: 'All containers, or all that match --filter' },
    { long: 'attach', short: 'a', help: 'Attach stdout and stderr, and forward signals' },
    DETACH_KEYS_FLAG,
    FILTER_FLAG,
    { long: 'interactive', short: 'i', help: 'Attach stdin' },
    HELP_FLAG,
  ],
  unsupported: [
    { long: 'checkpoint', value: true },
    { long: 'checkpoint-dir', value: true },
  ],
  args: [0, Infinity],
};
