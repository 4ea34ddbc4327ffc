/** `pull` and `push`. */
import { type CommandSpec, HELP_FLAG } from '../args/command-spec.js';

const ALL_TAGS = { long: 'all-tags', short: 'a', value: false } as const;

export const PULL: CommandSpec = {
  name: 'pull',
  usage: '[OPTIONS] NAME[:TAG|@DIGEST]',
  description: 'Download an image from a registry',
  examples: [
    ['caisson pull debian:12', 'from the registry of docker.io'],
    ['caisson pull --platform linux/arm64 debian', 'for another machine'],
  ],
  flags: [
    {
      long: 'disable-content-trust',
      help: 'Accepted as in Docker, without an effect (default true)',
    },
    { long: 'platform', value: 'platform', help: 'Set platform: os[/arch[/variant]]' },
    { long: 'quiet', short: 'q', help: 'Suppress verbose output' },
    HELP_FLAG,
  ],
  unsupported: [ALL_TAGS],
  args: [1, 1],
};

export const PUSH: CommandSpec = {
  name: 'push',
  usage: '[OPTIONS] NAME[:TAG]',
  description: 'Upload an image to a registry',
  examples: [['caisson push registry.example.org/name:1', 'after caisson tag and caisson login']],
  flags: [
    {
      long: 'disable-content-trust',
      help: 'Accepted as in Docker, without an effect (default true)',
    },
    { long: 'quiet', short: 'q', help: 'Suppress verbose output' },
    HELP_FLAG,
  ],
  unsupported: [ALL_TAGS, { long: 'platform', value: true }],
  argument: 'stored-image',
  args: [1, 1],
};
