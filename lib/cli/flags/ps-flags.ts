/** `ps`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { integer } from '../args/flag-values.js';
import { FILTER_FLAG, LIST_FORMAT_FLAG, NO_TRUNC_FLAG } from './common-flags.js';

export const PS: CommandSpec = {
  name: 'ps',
  usage: '[OPTIONS]',
  description: 'List containers',
  examples: [
    ['caisson ps -a --filter status=exited', 'containers that have exited'],
    [`caisson ps --format 'table {{.Names}}\\t{{.Status}}'`, 'other columns'],
    ['caisson ps -aq', 'ids for other commands'],
  ],
  flags: [
    { long: 'all', short: 'a', help: 'Also stopped containers' },
    FILTER_FLAG,
    LIST_FORMAT_FLAG,
    {
      long: 'last',
      check: integer,
      short: 'n',
      value: 'n',
      help: 'The last n created containers, in any state',
    },
    { long: 'latest', short: 'l', help: 'The last created container, in any state' },
    NO_TRUNC_FLAG,
    { long: 'quiet', short: 'q', help: 'Only ids' },
    { long: 'size', short: 's', help: 'Sizes of the writable layers' },
    HELP_FLAG,
  ],
  args: [0, 0],
};
