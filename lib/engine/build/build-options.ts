/** What `Engine.build` is asked for, checked. */
import { boolean, checkOptions, invalid, isRecord, plainString, stringList } from '../../base/check.js';
import { hostPlatform, parsePlatform, type Platform } from '../../image/platform.js';
import { targetName } from '../images/name-images.js';
import type { RunOptions } from '../options/options.js';

/** What a build tells of while it works. */
export type BuildEvent =
  | {
      /** A step begins. */
      readonly kind: 'step';
      /** Counted from 1, over all stages. */
      readonly number: number;
      /** The name of its stage, or `stage-N`; undefined where there is one only. */
      readonly stage: string | undefined;
      /** Of its stage: of FROM and the steps that may change files. */
      readonly step: number;
      /** How many that stage has. */
      readonly steps: number;
      /** The instruction, on one line. */
      readonly text: string;
      /** Of the Dockerfile. */
      readonly line: number;
    }
  | {
      /** What an earlier build has done is taken. */
      readonly kind: 'cached';
      /** Of the step. */
      readonly number: number;
    }
  | {
      /** A program of RUN has written something. */
      readonly kind: 'output';
      /** Of the step. */
      readonly number: number;
      /** Standard output or standard error. */
      readonly stream: 1 | 2;
      /** As they come, and not by lines. */
      readonly bytes: Buffer;
    }
  | {
      /** A step has been done. */
      readonly kind: 'done';
      /** Of the step. */
      readonly number: number;
      /** Milliseconds. */
      readonly duration: number;
    }
  | {
      /** The image is stored. */
      readonly kind: 'image';
      /** `sha256:` and 64 hexadecimal digits. */
      readonly id: string;
      /** In full. */
      readonly names: readonly string[];
    };

/** How an image is built; and options of the containers in which programs of RUN run, which have no network by default. */
export interface BuildOptions extends Pick<RunOptions, 'addHost' | 'cgroupParent' | 'network' | 'shmSize' | 'ulimits'> {
  /** The path of the Dockerfile, from the context where it is relative. Default: `Dockerfile`. */
  readonly file?: string | undefined;
  /** The text of the Dockerfile, in place of a file. */
  readonly dockerfile?: string | undefined;
  /** Names of the image. An image that had one of them loses it. */
  readonly tags?: readonly string[] | undefined;
  /** Values of ARG. */
  readonly buildArgs?: Readonly<Record<string, string | undefined>> | undefined;
  /** The stage that becomes the image. Default: the last one. */
  readonly target?: string | undefined;
  /** Every step is done again. */
  readonly noCache?: boolean | undefined;
  /** Images of FROM and `COPY --from` are looked for in their registries also where they are here. Default: false. */
  readonly pull?: boolean | undefined;
  /** What the image is for: `linux/arm64`. Default: this machine's. */
  readonly platform?: string | undefined;
  /** Labels of the image, beside those of the Dockerfile. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** What `RUN --mount=type=secret` shows, by the ids. It is in no image, and makes no difference to the cache. */
  readonly secrets?: Readonly<Record<string, string | Uint8Array>> | undefined;
  /** Ends the build: its container is killed and removed. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each event, in their order. */
  readonly onProgress?: ((event: BuildEvent) => void) | undefined;
}

export interface CheckedBuild {
  readonly file: string | undefined;
  readonly dockerfile: string | undefined;
  /** In full. */
  readonly names: readonly string[];
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly target: string | undefined;
  readonly noCache: boolean;
  readonly pull: boolean;
  readonly platform: Platform;
  readonly labels: Readonly<Record<string, string>>;
  readonly containers: Pick<BuildOptions, 'addHost' | 'cgroupParent' | 'network' | 'shmSize' | 'ulimits'>;
  readonly secrets: ReadonlyMap<string, Buffer>;
  readonly signal: AbortSignal | undefined;
  readonly tell: (event: BuildEvent) => void;
}

/** @throws ERR_INVALID_OPTION, ERR_INVALID_REFERENCE */
export function checkBuildOptions(options: BuildOptions): CheckedBuild {
  const {
    file,
    dockerfile,
    tags = [],
    buildArgs = {},
    target,
    noCache = false,
    pull = false,
    platform: text,
    labels = {},
    addHost,
    cgroupParent,
    network,
    shmSize,
    ulimits,
    secrets = {},
    signal,
    onProgress,
  } = checkOptions(options);
  if (file !== undefined && dockerfile !== undefined)
    throw invalid('file', file, 'excludes dockerfile');
  for (const [name, value] of Object.entries({ file, dockerfile, target }))
    if (value !== undefined) plainString(name, value);
  const platform = text === undefined || text === '' ? hostPlatform() : parsePlatform(text);
  if (platform.os !== 'linux')
    throw invalid('platform', text, 'has another operating system than linux');
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw invalid('onProgress', onProgress, 'is not a function');
  return {
    file,
    dockerfile,
    names: stringList('tags', tags).map((tag) => targetName(tag, 'tags')),
    buildArgs: new Map(texts('buildArgs', buildArgs)),
    target: target === '' ? undefined : target,
    noCache: boolean('noCache', noCache),
    pull: boolean('pull', pull),
    platform,
    labels: Object.fromEntries(texts('labels', labels)),
    containers: { addHost, cgroupParent, network, shmSize, ulimits },
    secrets: secretsOf(secrets),
    signal,
    tell: onProgress ?? (() => undefined),
  };
}

function texts(
  option: string,
  values: Readonly<Record<string, string | undefined>>,
): [name: string, value: string][] {
  if (!isRecord(values)) throw invalid(option, values, 'is not an object');
  return Object.entries(values).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (name === '') throw invalid(option, values, 'has an empty name');
    return [[name, plainString(option, value)]];
  });
}

/** Bytes; as with BuildKit. */
const LARGEST_SECRET = 500 * 1024;

function secretsOf(values: NonNullable<BuildOptions['secrets']>): ReadonlyMap<string, Buffer> {
  if (!isRecord(values)) throw invalid('secrets', values, 'is not an object');
  return new Map(
    Object.entries(values).map(([id, value]) => {
      // Neither is shown in an error.
      if (typeof value !== 'string' && !(value instanceof Uint8Array))
        throw invalid('secrets', id, 'has neither a text nor bytes');
      const bytes = Buffer.from(value);
      if (bytes.length > LARGEST_SECRET)
        throw invalid('secrets', id, `has more than ${LARGEST_SECRET} bytes`);
      return [id, bytes];
    }),
  );
}
