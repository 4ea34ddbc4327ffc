/** `rm`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const RM: CommandSpec = {
  name: 'rm',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Remove containers',
  examples: [
    ['caisson rm job', 'which has exited'],
    ['caisson rm -f web', 'which may be running'],
    ['caisson rm -v job', 'with the volumes that have no names'],
  ],
  argument: 'stopped',
  flags: [
    { long: 'force', short: 'f', help: 'Kill running containers' },
    { long: 'volumes', short: 'v', help: 'Also remove anonymous volumes' },
    HELP_FLAG,
  ],
  unsupported: [{ long: 'link', short: 'l', value: false }],
  args: [1, Infinity],
};
