/** `wait`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const WAIT: CommandSpec = {
  name: 'wait',
  usage: 'CONTAINER [CONTAINER...]',
  description: 'Wait until containers have exited, and print their exit codes',
  examples: [['caisson wait job', 'prints 0 after a success']],
  argument: 'all',
  flags: [HELP_FLAG],
  args: [1, Infinity],
};
