/** `events`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { FILTER_FLAG } from './common-flags.js';

export const EVENTS: CommandSpec = {
  name: 'events',
  usage: '[OPTIONS]',
  description: 'Show events of containers, networks and volumes as they happen',
  examples: [
    ['caisson events --filter event=die --filter event=oom', 'only the ends of containers'],
    ['caisson events --since 1h --until 0s --format json', 'the last hour'],
  ],
  flags: [
    FILTER_FLAG,
    {
      long: 'format',
      value: 'format',
      completes: ['json'],
      help: 'json, or a template for each line',
    },
    {
      long: 'since',
      value: 'time',
      help: 'Only since then: 10m (ago), a date, or seconds since 1970',
    },
    { long: 'until', value: 'time', help: 'Only until then, and exit' },
    HELP_FLAG,
  ],
  args: [0, 0],
};
