/** `commit`. */
import { type CommandSpec, HELP_FLAG } from '../args/command-spec.js';

export const COMMIT: CommandSpec = {
  name: 'commit',
  usage: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  description: "Create a new image from a container's changes",
  examples: [
    ['caisson commit web web:ready', 'its files and its configuration, as an image'],
    [`caisson commit -c 'CMD ["serve"]' web web:serve`, 'with another command'],
  ],
  argument: 'all',
  flags: [
    { long: 'author', short: 'a', value: 'string', help: 'Author (e.g., "A B <ab@example.org>")' },
    {
      long: 'change',
      short: 'c',
      value: 'list',
      repeatable: true,
      help: 'Apply Dockerfile instruction to the created image',
    },
    { long: 'message', short: 'm', value: 'string', help: 'Commit message' },
    { long: 'pause', short: 'p', help: 'Pause container during commit (default true)' },
    HELP_FLAG,
  ],
  args: [1, 2],
};
