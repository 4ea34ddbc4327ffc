/** `rename`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const RENAME: CommandSpec = {
  name: 'rename',
  usage: 'CONTAINER NEW_NAME',
  description: 'Give a container another name',
  examples: [['caisson rename web web-old', 'it goes on running']],
  argument: 'all',
  flags: [HELP_FLAG],
  args: [2, 2],
};
