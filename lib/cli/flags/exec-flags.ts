/** `exec`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { assignment } from '../args/flag-values.js';
import { DETACH_KEYS_FLAG, ENV_FILE_FLAG } from './common-flags.js';

export const EXEC: CommandSpec = {
  name: 'exec',
  usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  description: 'Run a command in a running container',
  examples: [
    ['caisson exec -it web sh', 'a shell in it'],
    ['caisson exec -u 0 -w /srv -e DEBUG=1 web ls', 'as another user, in another directory'],
  ],
  argument: 'running',
  flags: [
    { long: 'detach', short: 'd', help: 'Run the command in the background' },
    DETACH_KEYS_FLAG,
    {
      long: 'env',
      check: assignment,
      short: 'e',
      value: 'list',
      repeatable: true,
      help: 'Set environment variables',
    },
    ENV_FILE_FLAG,
    { long: 'interactive', short: 'i', help: 'Keep stdin open' },
    { long: 'privileged', help: 'Give the command all capabilities' },
    { long: 'tty', short: 't', help: 'Allocate a terminal' },
    { long: 'user', short: 'u', value: 'string', help: 'User (name|uid[:group|gid])' },
    { long: 'workdir', short: 'w', value: 'string', help: 'Working directory' },
    HELP_FLAG,
  ],
  endsAtArgument: true,
  args: [2, Infinity],
};
