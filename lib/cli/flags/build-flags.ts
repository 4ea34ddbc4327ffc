/** `build` and `builder prune`. */
import { type CommandSpec, HELP_FLAG } from '../args/command-spec.js';
import { assignment, network } from '../args/flag-values.js';
import { CREATE_FLAGS } from './create-flags.js';
import { pruneFlags } from './common-flags.js';

const UNSUPPORTED = [
  'allow= annotation= attest= build-context= builder= cache-from= cache-to= call= check metadata-file=',
  'no-cache-filter= output= provenance= push sbom= ssh=',
]
  .join(' ')
  .split(' ');

/** Of the containers of RUN. */
const OF_CONTAINERS = CREATE_FLAGS.filter(({ long }) =>
  ['add-host', 'cgroup-parent', 'shm-size', 'ulimit'].includes(long),
);

const PROGRESS: readonly string[] = ['auto', 'plain', 'quiet', 'tty'];

export interface SecretFlag {
  readonly id: string;
  readonly file: string | undefined;
  readonly env: string | undefined;
  /** What is wrong with it. */
  readonly why: string | undefined;
}

/** Without a file or a variable, the variable of the same name, or else the file. */
export function parseSecret(text: string): SecretFlag {
  const fields = new Map<string, string>();
  let why: string | undefined;
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    const given = equals < 0 ? '' : part.slice(0, equals).toLowerCase();
    const name = given === 'source' ? 'src' : given;
    if (!['id', 'src', 'env', 'type'].includes(name)) why ??= `invalid field '${part}'`;
    fields.set(name, part.slice(equals + 1));
  }
  const [id = '', type] = [fields.get('id'), fields.get('type')];
  if (id === '') why ??= 'the id is missing';
  if (type !== undefined && type !== 'file' && type !== 'env') why ??= `unsupported type '${type}'`;
  const source = fields.get('src');
  const file = type === 'env' ? undefined : source;
  return { id, file, env: fields.get('env') ?? (type === 'env' ? (source ?? id) : undefined), why };
}

export const BUILD: CommandSpec = {
  name: 'build',
  usage: '[OPTIONS] PATH | -',
  description: 'Build an image from a Dockerfile',
  examples: [
    ['caisson build -t app:1 .', 'from the Dockerfile of the working directory'],
    ['caisson build -f docker/Dockerfile --target test --build-arg V=1 .', 'one of its stages'],
    ['caisson build - < Dockerfile', 'without a context; also a tar archive with a Dockerfile'],
  ],
  flags: [
    {
      long: 'build-arg',
      value: 'stringArray',
      repeatable: true,
      check: assignment,
      help: 'Set build-time variables; without a value, that of the environment',
    },
    {
      long: 'file',
      short: 'f',
      value: 'string',
      completes: 'file',
      help: 'Name of the Dockerfile (default: "PATH/Dockerfile"); - is standard input',
    },
    {
      long: 'iidfile',
      value: 'string',
      completes: 'file',
      help: 'Write the image ID to a file',
    },
    {
      long: 'label',
      value: 'stringArray',
      repeatable: true,
      check: assignment,
      help: 'Set metadata for an image',
    },
    { long: 'load', help: 'Accepted as in Docker, without an effect: images always are stored' },
    {
      long: 'network',
      check: network,
      value: 'string',
      completes: 'network',
      help: 'Set the networking mode for the "RUN" instructions during build: default (that of caisson run), none, host, or what caisson run takes (default "default")',
    },
    { long: 'no-cache', help: 'Do not use cache when building the image' },
    { long: 'platform', value: 'string', help: 'Set target platform: os[/arch[/variant]]' },
    {
      long: 'progress',
      check: (value) =>
        PROGRESS.includes(value) ? undefined : `it is one of ${PROGRESS.join(', ')}`,
      value: 'string',
      completes: PROGRESS,
      help: 'Set type of progress output: auto, plain, tty (all of them lines), quiet (default "auto")',
    },
    { long: 'pull', help: 'Always attempt to pull all referenced images' },
    {
      long: 'quiet',
      short: 'q',
      help: 'Suppress the build output and print image ID on success',
    },
    {
      long: 'tag',
      short: 't',
      value: 'stringArray',
      repeatable: true,
      help: 'Image identifier (format: "[registry/]repository[:tag]")',
    },
    {
      long: 'secret',
      value: 'stringArray',
      repeatable: true,
      check: (value) => parseSecret(value).why,
      help: 'Secret to expose to the build (format: "id=mysecret[,src=/local/secret]", or "id=mysecret,env=VARIABLE")',
    },
    { long: 'target', value: 'string', help: 'Set the target build stage to build' },
    ...OF_CONTAINERS,
    HELP_FLAG,
  ],
  unsupported: [
    ...UNSUPPORTED.map((flag) => ({
      long: flag.replace('=', ''),
      value: flag.endsWith('='),
      ...(flag === 'output=' ? { short: 'o' } : {}),
    })),
    { long: 'debug', short: 'D', value: false },
  ],
  args: [1, 1],
};

export const BUILDER_PRUNE: CommandSpec = {
  name: 'builder prune',
  usage: '[OPTIONS]',
  description: 'Remove build cache',
  examples: [['caisson builder prune -f --filter until=24h', 'what no build has used for a day']],
  flags: [
    { long: 'all', short: 'a', help: 'Accepted as in Docker: all of it is removed in any case' },
    ...pruneFlags('Only what no build has used since then: until=24h'),
    HELP_FLAG,
  ],
  unsupported: [{ long: 'keep-storage', value: true }],
  args: [0, 0],
};
