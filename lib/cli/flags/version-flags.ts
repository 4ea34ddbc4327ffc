/** `version`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const VERSION: CommandSpec = {
  name: 'version',
  usage: '[OPTIONS]',
  description: 'Show the versions of caisson, Node.js and the kernel',
  examples: [['caisson version --format json', 'for programs']],
  flags: [
    {
      long: 'format',
      short: 'f',
      value: 'template',
      completes: ['json'],
      help: 'Print as JSON, or by a template: {{.Client.Version}}',
    },
    HELP_FLAG,
  ],
  args: [0, 0],
};
