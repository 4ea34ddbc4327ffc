/** `run`. */
import type { CommandSpec, Flag } from '../args/command-spec.js';
import { DETACH_KEYS_FLAG, SIG_PROXY_FLAG } from './common-flags.js';
import { CREATE_FLAGS, UNSUPPORTED_CREATE_FLAGS } from './create-flags.js';

export const RUN_FLAGS: readonly Flag[] = [
  ...CREATE_FLAGS,
  DETACH_KEYS_FLAG,
  SIG_PROXY_FLAG,
  { long: 'detach', short: 'd', help: "Run in the background, and print the container's id" },
  { long: 'trace', help: 'Print the timeline of the start on stderr' },
];

export const RUN: CommandSpec = {
  name: 'run',
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  description: 'Create and run a new container from an image',
  examples: [
    ['caisson run --rm -it host sh', "a shell on this machine's own /usr"],
    ['caisson run --rm -m 64m --cpus 0.5 host make -j4', 'limits'],
    [
      'caisson run -d --restart on-failure:3 --name web host ./server',
      'in the background, with restarts',
    ],
    [
      'caisson run --rm --rootfs ./debian cat /etc/os-release',
      'any directory with a root file system',
    ],
  ],
  argument: 'image',
  flags: RUN_FLAGS,
  unsupported: UNSUPPORTED_CREATE_FLAGS,
  endsAtArgument: true,
  args: [1, Infinity],
};
