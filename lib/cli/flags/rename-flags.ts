/** `rename`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const RENAME: CommandSpec = {
  name: 'rename',
  usage: 'CONTAINER NEW_NAME',
  description: 'Rename a container',
  examples: [['caisson rename web web-old', 'it keeps running']],
  argument: 'all',
  flags: [HELP_FLAG],
  args: [2, 2],
};
