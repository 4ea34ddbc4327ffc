/** `start`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { DETACH_KEYS_FLAG, FILTER_FLAG } from './common-flags.js';

export const START: CommandSpec = {
  name: 'start',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Start containers that do not run',
  examples: [
    ['caisson start web db', 'both'],
    ['caisson start -ai shell', 'with this terminal'],
    [
      'caisson start --all --filter should-start-on-boot=true',
      'what a unit of systemd does at boot',
    ],
  ],
  argument: 'stopped',
  flags: [
    { long: 'all', help: 'Every container, or every one that matches --filter' },
    { long: 'attach', short: 'a', help: 'Show its output, and pass signals on to it' },
    DETACH_KEYS_FLAG,
    FILTER_FLAG,
    { long: 'interactive', short: 'i', help: 'Send it what is typed' },
    HELP_FLAG,
  ],
  unsupported: [
    { long: 'checkpoint', value: true },
    { long: 'checkpoint-dir', value: true },
  ],
  args: [0, Infinity],
};
