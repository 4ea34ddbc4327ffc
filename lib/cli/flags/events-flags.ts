/** `events`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { FILTER_FLAG } from './common-flags.js';

export const EVENTS: CommandSpec = {
  name: 'events',
  usage: '[OPTIONS]',
  description: 'Show what happens to containers, as it happens',
  examples: [
    ['caisson events --filter event=die --filter event=oom', 'only ends'],
    ['caisson events --since 1h --until 0s --format json', 'of the last hour'],
  ],
  flags: [
    FILTER_FLAG,
    { long: 'format', value: 'format', completes: ['json'], help: 'json, or a template a line' },
    {
      long: 'since',
      value: 'time',
      help: 'From then on: 10m (ago), a date, or seconds since 1970',
    },
    { long: 'until', value: 'time', help: 'Up to then, and no further' },
    HELP_FLAG,
  ],
  args: [0, 0],
};
