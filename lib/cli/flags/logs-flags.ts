/** `logs`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const LOGS: CommandSpec = {
  name: 'logs',
  usage: '[OPTIONS] CONTAINER',
  description: 'Show what a container has written',
  examples: [
    ['caisson logs -f -n 20 web', 'the last 20 lines, and what comes'],
    ['caisson logs -t --since 10m web', 'with times, of the last ten minutes'],
  ],
  argument: 'all',
  flags: [
    { long: 'details', help: 'Show extra attributes, of which there are none' },
    { long: 'follow', short: 'f', help: 'Go on as long as the container runs' },
    {
      long: 'since',
      value: 'time',
      help: 'From then on: 10m (ago), a date, or seconds since 1970',
    },
    {
      long: 'tail',
      short: 'n',
      value: 'n',
      completes: ['all'],
      help: 'Only the last lines (default all)',
    },
    { long: 'timestamps', short: 't', help: 'Show when each line was written' },
    { long: 'until', value: 'time', help: 'Up to then' },
    HELP_FLAG,
  ],
  args: [1, 1],
};
