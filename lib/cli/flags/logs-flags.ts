/** `logs`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const LOGS: CommandSpec = {
  name: 'logs',
  usage: '[OPTIONS] CONTAINER',
  description: 'Show the output of a container',
  examples: [
    ['caisson logs -f -n 20 web', 'the last 20 lines, and new ones'],
    ['caisson logs -t --since 10m web', 'the last ten minutes, with times'],
  ],
  argument: 'all',
  flags: [
    { long: 'details', help: 'Show extra attributes (there are none)' },
    { long: 'follow', short: 'f', help: 'Continue while the container runs' },
    {
      long: 'since',
      value: 'time',
      help: 'Only since then: 10m (ago), a date, or seconds since 1970',
    },
    {
      long: 'tail',
      short: 'n',
      value: 'n',
      completes: ['all'],
      help: 'Only the last lines (default all)',
    },
    { long: 'timestamps', short: 't', help: 'Show the time of each line' },
    { long: 'until', value: 'time', help: 'Only until then' },
    HELP_FLAG,
  ],
  args: [1, 1],
};
