/** `rm`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const RM: CommandSpec = {
  name: 'rm',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Remove containers',
  examples: [
    ['caisson rm job', 'which has ended'],
    ['caisson rm -f web', 'which may run'],
  ],
  argument: 'stopped',
  flags: [
    { long: 'force', short: 'f', help: 'Kill what runs' },
    { long: 'volumes', short: 'v', help: 'With its anonymous volumes' },
    HELP_FLAG,
  ],
  unsupported: [{ long: 'link', short: 'l', value: false }],
  args: [1, Infinity],
};
