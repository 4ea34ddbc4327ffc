/** `run`. */
import type { CommandSpec, Flag } from '../flag-table.js';
import { DETACH_KEYS_FLAG, SIG_PROXY_FLAG } from './common.js';
import { CREATE_FLAGS, UNSUPPORTED_CREATE_FLAGS } from './create.js';

export const RUN_FLAGS: readonly Flag[] = [
  ...CREATE_FLAGS,
  DETACH_KEYS_FLAG,
  SIG_PROXY_FLAG,
  { long: 'detach', short: 'd', help: "Leave it running, and print the container's id" },
  { long: 'trace', help: 'Draw the timeline of the start on stderr' },
];

export const RUN: CommandSpec = {
  name: 'run',
  flags: RUN_FLAGS,
  unsupported: UNSUPPORTED_CREATE_FLAGS,
  endsAtArgument: true,
  args: [1, Infinity],
};
