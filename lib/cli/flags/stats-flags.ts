/** `stats`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { LIST_FORMAT_FLAG, NO_TRUNC_FLAG } from './common-flags.js';

export const STATS: CommandSpec = {
  name: 'stats',
  usage: '[OPTIONS] [CONTAINER...]',
  description: 'Show the resource usage of containers continuously',
  examples: [
    ['caisson stats', 'all running containers'],
    [`caisson stats --no-stream --format '{{.Name}} {{.MemUsage}}'`, 'once, and only these fields'],
  ],
  argument: 'running',
  flags: [
    { long: 'all', short: 'a', help: 'Also stopped containers' },
    LIST_FORMAT_FLAG,
    { long: 'no-stream', help: 'Only once' },
    NO_TRUNC_FLAG,
    HELP_FLAG,
  ],
  args: [0, Infinity],
};
