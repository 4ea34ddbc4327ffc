/** `cp`, `diff` and `export`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const CP: CommandSpec = {
  name: 'cp',
  usage: '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-  or  SRC_PATH|- CONTAINER:DEST_PATH',
  description: 'Copy files/folders between a container and the local filesystem',
  examples: [
    ['caisson cp web:/etc/nginx .', 'a directory of a container, running or not'],
    ['caisson cp site/. web:/srv', 'what is in a directory'],
    ['caisson cp web:/var/log - | tar -t', 'as a tar stream; "-" as the source reads one'],
  ],
  argument: 'all',
  flags: [
    { long: 'archive', short: 'a', help: 'Archive mode (copy all uid/gid information)' },
    { long: 'follow-link', short: 'L', help: 'Always follow symbol link in SRC_PATH' },
    { long: 'quiet', short: 'q', help: 'Suppress progress output during copy' },
    HELP_FLAG,
  ],
  args: [2, 2],
};

export const DIFF: CommandSpec = {
  name: 'diff',
  usage: 'CONTAINER',
  description: "Inspect changes to files or directories on a container's filesystem",
  examples: [['caisson diff web', 'A: added, C: changed, D: deleted']],
  argument: 'all',
  flags: [HELP_FLAG],
  args: [1, 1],
};

export const EXPORT: CommandSpec = {
  name: 'export',
  usage: '[OPTIONS] CONTAINER',
  description: "Export a container's filesystem as a tar archive",
  examples: [
    ['caisson export -o web.tar web', 'all its files but those of its volumes'],
    ['caisson export web | tar -t', 'their names'],
  ],
  argument: 'all',
  flags: [
    { long: 'output', short: 'o', value: 'string', help: 'Write to a file, instead of STDOUT' },
    HELP_FLAG,
  ],
  args: [1, 1],
};
