/** `inspect`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const INSPECT: CommandSpec = {
  name: 'inspect',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Show all details of containers, as JSON',
  examples: [
    [`caisson inspect -f '{{.State.Status}} {{.State.ExitCode}}' web`, 'only some of it'],
    [`caisson inspect -f '{{json .HostConfig}}' web`, 'as JSON'],
  ],
  argument: 'all',
  flags: [
    {
      long: 'format',
      short: 'f',
      value: 'format',
      completes: ['json'],
      help: 'json, or a template for each container',
    },
    { long: 'size', short: 's', help: 'Sizes of the writable layers' },
    { long: 'type', value: 'type', completes: ['container'], help: 'Only objects of this type' },
    HELP_FLAG,
  ],
  args: [1, Infinity],
};
