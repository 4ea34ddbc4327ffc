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
    help: 'Only what matches: until=24h, label=…, label!=…',
  },
  { long: 'force', short: 'f', help: 'Do not ask' },
  HELP_FLAG,
];

export const CONTAINER_PRUNE: CommandSpec = {
  name: 'container prune',
  usage: '[OPTIONS]',
  description: 'Remove all containers that do not run',
  examples: [
    ['caisson container prune -f --filter until=24h', 'made before yesterday, without asking'],
  ],
  flags: FLAGS,
  args: [0, 0],
};
export const PRUNE: CommandSpec = {
  name: 'prune',
  usage: '[OPTIONS]',
  description: 'Remove all containers that do not run, and what crashes have left',
  examples: [['caisson prune -f', 'without asking']],
  flags: FLAGS,
  args: [0, 0],
};
