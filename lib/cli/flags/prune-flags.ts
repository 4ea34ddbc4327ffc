/** `container prune`, and `prune`, which is the same as long as there is nothing else to prune. */
import type { CommandSpec, Flag } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { nameAndValue } from '../args/flag-values.js';

const FLAGS: readonly Flag[] = [
  {
    long: 'filter',
    check: nameAndValue,
    value: 'filter',
    repeatable: true,
    help: 'Only containers that match: until=24h, label=…, label!=…',
  },
  { long: 'force', short: 'f', help: 'Do not ask for confirmation' },
  HELP_FLAG,
];

export const CONTAINER_PRUNE: CommandSpec = {
  name: 'container prune',
  usage: '[OPTIONS]',
  description: 'Remove all stopped containers',
  examples: [
    [
      'caisson container prune -f --filter until=24h',
      'created more than a day ago, without asking',
    ],
  ],
  flags: FLAGS,
  args: [0, 0],
};
export const PRUNE: CommandSpec = {
  name: 'prune',
  usage: '[OPTIONS]',
  description: 'Remove all stopped containers, and what crashes have left behind',
  examples: [['caisson prune -f', 'without asking']],
  flags: FLAGS,
  args: [0, 0],
};
