/** `system df` and `system prune`. */
import { type CommandSpec, HELP_FLAG } from '../args/command-spec.js';
import { LIST_FORMAT_FLAG, pruneFlags } from './common-flags.js';

export const SYSTEM_DF: CommandSpec = {
  name: 'system df',
  usage: '[OPTIONS]',
  description: 'Show disk usage of images, containers and volumes',
  examples: [['caisson system df -v', 'of each image, container and volume']],
  flags: [
    LIST_FORMAT_FLAG,
    { long: 'verbose', short: 'v', help: 'Show each image, container and volume' },
    HELP_FLAG,
  ],
  args: [0, 0],
};

export const SYSTEM_PRUNE: CommandSpec = {
  name: 'system prune',
  usage: '[OPTIONS]',
  description: 'Remove stopped containers, unused networks and unused images',
  examples: [
    ['caisson system prune -f', 'without asking; images with names stay'],
    ['caisson system prune -a --volumes', 'images with names, and anonymous volumes, too'],
  ],
  flags: [
    { long: 'all', short: 'a', help: 'Remove all unused images, not just dangling ones' },
    ...pruneFlags('Only what matches: until=24h, label=…, label!=…'),
    { long: 'volumes', help: 'Remove anonymous volumes, too' },
    HELP_FLAG,
  ],
  args: [0, 0],
};
