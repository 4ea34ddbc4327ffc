/** `volume create`, `ls`, `inspect`, `rm` and `prune`. */
import { type CommandSpec, HELP_FLAG } from '../args/command-spec.js';
import { assignment, label } from '../args/flag-values.js';
import { FILTER_FLAG, LIST_FORMAT_FLAG, pruneFlags } from './common-flags.js';

export const VOLUME_CREATE: CommandSpec = {
  name: 'volume create',
  usage: '[OPTIONS] [VOLUME]',
  description: 'Create a volume',
  examples: [
    ['caisson volume create data', 'then: caisson run -v data:/var/lib/data …'],
    [
      'caisson volume create -o type=none -o o=bind -o device=/srv/data data',
      'a directory of the host, by a name',
    ],
  ],
  flags: [
    {
      long: 'driver',
      short: 'd',
      value: 'driver',
      completes: ['local'],
      help: 'Volume driver name (default local)',
    },
    {
      long: 'label',
      value: 'list',
      repeatable: true,
      check: label,
      help: 'Set metadata for a volume',
    },
    {
      long: 'opt',
      short: 'o',
      value: 'map',
      repeatable: true,
      check: assignment,
      completes: ['type=', 'device=', 'o='],
      help: 'Set driver specific options: type, device, o',
    },
    HELP_FLAG,
  ],
  unsupported: [
    { long: 'availability', value: true },
    { long: 'group', value: true },
    { long: 'limit-bytes', value: true },
    { long: 'required-bytes', value: true },
    { long: 'scope', value: true },
    { long: 'secret', value: true },
    { long: 'sharing', value: true },
    { long: 'topology-preferred', value: true },
    { long: 'topology-required', value: true },
    { long: 'type', value: true },
  ],
  args: [0, 1],
};

export const VOLUME_LS: CommandSpec = {
  name: 'volume ls',
  usage: '[OPTIONS]',
  description: 'List volumes',
  examples: [
    ['caisson volume ls --filter dangling=true', 'those that no container has'],
    [`caisson volume ls --format '{{.Name}} {{.Mountpoint}}'`, 'other columns'],
  ],
  flags: [
    FILTER_FLAG,
    LIST_FORMAT_FLAG,
    { long: 'quiet', short: 'q', help: 'Only display volume names' },
    HELP_FLAG,
  ],
  unsupported: [{ long: 'cluster', value: false }],
  args: [0, 0],
};

export const VOLUME_INSPECT: CommandSpec = {
  name: 'volume inspect',
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  description: 'Display detailed information on one or more volumes',
  examples: [[`caisson volume inspect -f '{{.Mountpoint}}' data`, 'its directory on the host']],
  argument: 'volume',
  flags: [
    {
      long: 'format',
      short: 'f',
      value: 'format',
      completes: ['json'],
      help: 'json, or a template for each volume',
    },
    HELP_FLAG,
  ],
  args: [1, Infinity],
};

export const VOLUME_RM: CommandSpec = {
  name: 'volume rm',
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  description: 'Remove one or more volumes, with all their files',
  examples: [['caisson volume rm data', 'which no container has']],
  argument: 'volume',
  flags: [
    { long: 'force', short: 'f', help: 'Do not error if the volume does not exist' },
    HELP_FLAG,
  ],
  args: [1, Infinity],
};

export const VOLUME_PRUNE: CommandSpec = {
  name: 'volume prune',
  usage: '[OPTIONS]',
  description: 'Remove unused anonymous volumes',
  examples: [['caisson volume prune -af', 'also those that have names']],
  flags: [
    { long: 'all', short: 'a', help: 'Remove all unused volumes, not just anonymous ones' },
    ...pruneFlags('Only volumes that match: label=…, label!=…'),
    HELP_FLAG,
  ],
  args: [0, 0],
};
