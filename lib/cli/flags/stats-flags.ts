/** `stats`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { LIST_FORMAT_FLAG, NO_TRUNC_FLAG } from './common-flags.js';

export const STATS: CommandSpec = {
  name: 'stats',
  usage: '[OPTIONS] [CONTAINER...]',
  description: 'Show what containers use, again and again',
  examples: [
    ['caisson stats', 'all that run'],
    [`caisson stats --no-stream --format '{{.Name}} {{.MemUsage}}'`, 'once, and only that'],
  ],
  argument: 'running',
  flags: [
    { long: 'all', short: 'a', help: 'Also those that do not run' },
    LIST_FORMAT_FLAG,
    { long: 'no-stream', help: 'Once, rather than again and again' },
    NO_TRUNC_FLAG,
    HELP_FLAG,
  ],
  args: [0, Infinity],
};
