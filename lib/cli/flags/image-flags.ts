/** `images`, `image inspect`, `image prune`, `rmi`, `tag` and `history`. */
import { type CommandSpec, HELP_FLAG } from '../args/command-spec.js';
import { FILTER_FLAG, LIST_FORMAT_FLAG, NO_TRUNC_FLAG, pruneFlags } from './common-flags.js';

export const IMAGES: CommandSpec = {
  name: 'images',
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  description: 'List images',
  examples: [
    ['caisson images debian', 'all tags of one repository'],
    [`caisson images --filter dangling=true -q`, 'ids of images that lost their names'],
  ],
  flags: [
    { long: 'all', short: 'a', help: 'Accepted as in Docker, without an effect' },
    { long: 'digests', help: 'Show digests' },
    FILTER_FLAG,
    LIST_FORMAT_FLAG,
    NO_TRUNC_FLAG,
    { long: 'quiet', short: 'q', help: 'Only show image IDs' },
    HELP_FLAG,
  ],
  unsupported: [{ long: 'tree', value: false }],
  args: [0, 1],
};

export const IMAGE_INSPECT: CommandSpec = {
  name: 'image inspect',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  description: 'Display detailed information on one or more images',
  examples: [[`caisson image inspect -f '{{.Config.Cmd}}' debian`, 'its command']],
  flags: [
    {
      long: 'format',
      short: 'f',
      value: 'format',
      completes: ['json'],
      help: 'json, or a template for each image',
    },
    HELP_FLAG,
  ],
  unsupported: [{ long: 'platform', value: true }],
  argument: 'stored-image',
  args: [1, Infinity],
};

export const IMAGE_PRUNE: CommandSpec = {
  name: 'image prune',
  usage: '[OPTIONS]',
  description: 'Remove unused images',
  examples: [
    ['caisson image prune -f', 'those without a name'],
    ['caisson image prune -a --filter until=24h', 'all that no container was made from'],
  ],
  flags: [
    { long: 'all', short: 'a', help: 'Remove all unused images, not just dangling ones' },
    ...pruneFlags('Only images that match: until=24h, label=…, label!=…'),
    HELP_FLAG,
  ],
  args: [0, 0],
};

export const RMI: CommandSpec = {
  name: 'rmi',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  description: 'Remove one or more images',
  examples: [['caisson rmi debian:12', 'the name, and the image if it has no other']],
  flags: [
    { long: 'force', short: 'f', help: 'Force removal of the image' },
    { long: 'no-prune', help: 'Accepted as in Docker, without an effect' },
    HELP_FLAG,
  ],
  unsupported: [{ long: 'platform', value: true }],
  argument: 'stored-image',
  args: [1, Infinity],
};

export const TAG: CommandSpec = {
  name: 'tag',
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  description: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
  examples: [['caisson tag debian:12 registry.example.org/debian:12', 'a name to push it by']],
  flags: [HELP_FLAG],
  argument: 'stored-image',
  args: [2, 2],
};

export const HISTORY: CommandSpec = {
  name: 'history',
  usage: '[OPTIONS] IMAGE',
  description: 'Show the history of an image',
  examples: [['caisson history --no-trunc debian', 'with whole commands']],
  flags: [
    LIST_FORMAT_FLAG,
    {
      long: 'human',
      short: 'H',
      help: 'Print sizes and dates in human readable format (default true)',
    },
    NO_TRUNC_FLAG,
    { long: 'quiet', short: 'q', help: 'Only show image IDs' },
    HELP_FLAG,
  ],
  unsupported: [{ long: 'platform', value: true }],
  argument: 'stored-image',
  args: [1, 1],
};
