/** `port`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const PORT: CommandSpec = {
  name: 'port',
  usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  description: 'List port mappings or a specific mapping for the container',
  examples: [
    ['caisson port web', 'all of them'],
    ['caisson port web 80/tcp', 'where port 80 of the container is on the host'],
  ],
  argument: 'running',
  flags: [HELP_FLAG],
  args: [1, 2],
};
