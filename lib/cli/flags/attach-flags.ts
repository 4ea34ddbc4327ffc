/** `attach`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import { DETACH_KEYS_FLAG, SIG_PROXY_FLAG } from './common-flags.js';

export const ATTACH: CommandSpec = {
  name: 'attach',
  usage: '[OPTIONS] CONTAINER',
  description: "Connect this terminal to a container's main program",
  examples: [
    ['caisson attach web', 'ctrl-p ctrl-q leaves it running, if it has a terminal'],
    ['caisson attach --no-stdin --sig-proxy=false web', 'only shows its output'],
  ],
  argument: 'running',
  flags: [
    DETACH_KEYS_FLAG,
    { long: 'no-stdin', help: 'Do not attach stdin' },
    SIG_PROXY_FLAG,
    HELP_FLAG,
  ],
  args: [1, 1],
};
