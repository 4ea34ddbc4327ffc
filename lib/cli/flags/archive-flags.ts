/** `load`, `save` and `import`. */
import { type CommandSpec, HELP_FLAG } from '../args/command-spec.js';

export const LOAD: CommandSpec = {
  name: 'load',
  usage: '[OPTIONS]',
  description: 'Load images from a tar archive or STDIN',
  examples: [
    ['caisson load -i images.tar', 'of docker save, podman save or skopeo'],
    ['caisson load < image.tar.gz', 'compressed'],
  ],
  flags: [
    {
      long: 'input',
      short: 'i',
      value: 'file',
      completes: 'file',
      help: 'Read from tar archive file, instead of STDIN',
    },
    {
      long: 'platform',
      value: 'platform',
      help: 'Load only the given platform: os[/arch[/variant]]',
    },
    { long: 'quiet', short: 'q', help: 'Suppress the load output' },
    HELP_FLAG,
  ],
  args: [0, 0],
};

export const SAVE: CommandSpec = {
  name: 'save',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  description: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
  examples: [
    [
      'caisson save -o images.tar debian:12 busybox',
      'for caisson load, docker load and podman load',
    ],
  ],
  flags: [
    {
      long: 'output',
      short: 'o',
      value: 'file',
      completes: 'file',
      help: 'Write to a file, instead of STDOUT',
    },
    HELP_FLAG,
  ],
  unsupported: [{ long: 'platform', value: true }],
  argument: 'stored-image',
  args: [1, Infinity],
};

export const IMPORT: CommandSpec = {
  name: 'import',
  usage: '[OPTIONS] file|- [REPOSITORY[:TAG]]',
  description: 'Import the contents from a tarball to create a filesystem image',
  examples: [[`caisson import -c 'CMD ["/bin/sh"]' root.tar base`, 'an image of one layer']],
  flags: [
    {
      long: 'change',
      short: 'c',
      value: 'list',
      repeatable: true,
      help: 'Apply Dockerfile instruction to the created image',
    },
    { long: 'message', short: 'm', value: 'string', help: 'Set commit message for imported image' },
    {
      long: 'platform',
      value: 'platform',
      help: 'Set platform if server is multi-platform capable',
    },
    HELP_FLAG,
  ],
  args: [1, 2],
};
