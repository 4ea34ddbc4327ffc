/** `top`: the arguments after the container are those of ps(1). */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const TOP: CommandSpec = {
  name: 'top',
  usage: 'CONTAINER [ps OPTIONS]',
  description: 'Show the processes of a container',
  examples: [
    ['caisson top web', 'in the format of ps -ef'],
    ['caisson top web -o pid,rss,cmd', 'other columns'],
  ],
  argument: 'running',
  flags: [HELP_FLAG],
  endsAtArgument: true,
  args: [1, Infinity],
};
