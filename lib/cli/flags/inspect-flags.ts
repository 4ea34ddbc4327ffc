/** `inspect` and `container inspect`. */
import type { CommandSpec, Flag } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

const FLAGS: readonly Flag[] = [
  {
    long: 'format',
    short: 'f',
    value: 'format',
    completes: ['json'],
    help: 'json, or a template for each object',
  },
  { long: 'size', short: 's', help: 'Sizes of the writable layers of containers' },
  HELP_FLAG,
];

export const INSPECT: CommandSpec = {
  name: 'inspect',
  usage: '[OPTIONS] NAME|ID [NAME|ID...]',
  description: 'Show all details of containers, images, networks and volumes, as JSON',
  examples: [
    [`caisson inspect -f '{{.State.Status}} {{.State.ExitCode}}' web`, 'only some of it'],
    [`caisson inspect -f '{{json .HostConfig}}' web`, 'as JSON'],
  ],
  argument: 'all',
  flags: [
    ...FLAGS,
    {
      long: 'type',
      value: 'type',
      completes: ['container', 'image', 'network', 'volume'],
      help: 'Only objects of this type',
    },
  ],
  args: [1, Infinity],
};

export const CONTAINER_INSPECT: CommandSpec = {
  name: 'container inspect',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Show all details of containers, as JSON',
  examples: [
    [`caisson container inspect -f '{{.State.Pid}}' web`, 'never a network or volume of that name'],
  ],
  argument: 'all',
  flags: FLAGS,
  args: [1, Infinity],
};
