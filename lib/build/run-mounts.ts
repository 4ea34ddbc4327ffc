/** `RUN --mount`. docs.docker.com/reference/dockerfile, "RUN --mount". Pure. */
import { posix } from 'node:path';
import { parseSize } from '../base/units.js';
import { dockerfileError, unsupportedInDockerfile } from './dockerfile-error.js';

export type RunMount =
  | {
      /** Files of the context, another stage or an image; what is written there is lost. */
      readonly kind: 'bind';
      /** Absolute. */
      readonly target: string;
      /** Below the root of what it comes from. */
      readonly source: string;
      /** A stage or an image; undefined is the context. */
      readonly from: string | undefined;
      readonly readOnly: boolean;
    }
  | {
      /** A directory that all builds share. */
      readonly kind: 'cache';
      readonly target: string;
      readonly id: string;
      /** One program at a time. */
      readonly locked: boolean;
      readonly readOnly: boolean;
    }
  | {
      readonly kind: 'tmpfs';
      readonly target: string;
      /** Bytes. */
      readonly size: number | undefined;
    }
  | {
      readonly kind: 'secret';
      /** Undefined: it is only a variable. */
      readonly target: string | undefined;
      readonly id: string;
      readonly required: boolean;
      /** Permission bits. */
      readonly mode: number;
      /** The name of the variable that has it. */
      readonly env: string | undefined;
    };

type Fields = ReadonlyMap<string, string>;

const NAMES: Readonly<Record<string, readonly string[]>> = {
  bind: ['target', 'source', 'from', 'readonly', 'readwrite'],
  cache: ['id', 'target', 'sharing', 'readonly', 'readwrite', 'uid', 'gid', 'mode'],
  tmpfs: ['target', 'size'],
  secret: ['id', 'target', 'required', 'mode', 'uid', 'gid', 'env'],
};

const OTHER_NAMES: Readonly<Record<string, string>> = {
  dst: 'target',
  destination: 'target',
  src: 'source',
  ro: 'readonly',
  rw: 'readwrite',
};

/**
 * @param text the value of the flag, expanded
 * @param workdir from which a relative target is taken
 * @throws ERR_INVALID_DOCKERFILE, ERR_UNSUPPORTED_OPTION
 */
export function parseRunMount(text: string, workdir: string, line: number): RunMount {
  const fields = fieldsOf(text, line);
  const type = fields.get('type') ?? 'bind';
  const known = NAMES[type];
  if (known === undefined) throw unsupportedInDockerfile(line, `RUN --mount=type=${type}`);
  for (const name of fields.keys()) {
    if (name === 'type' || known.includes(name)) continue;
    if (type === 'cache' && (name === 'from' || name === 'source'))
      throw unsupportedInDockerfile(line, `"${name}" of RUN --mount=type=cache`);
    throw dockerfileError(line, `unexpected key '${name}' in '${text}'`);
  }
  const given = fields.get('target');
  const target = given === undefined ? undefined : posix.resolve(workdir, given);
  if (target === '/') throw dockerfileError(line, 'invalid mount target "/"');
  if (type === 'secret') return secretMount(fields, target, line);
  if (target === undefined) throw dockerfileError(line, `the target of --mount=${text} is missing`);
  if (type === 'cache') return cacheMount(fields, target, line);
  if (type === 'tmpfs') return { kind: 'tmpfs', target, size: sizeOf(fields.get('size'), line) };
  return {
    kind: 'bind',
    target,
    source: fields.get('source') ?? '.',
    from: fields.get('from'),
    readOnly: isReadOnly(fields, true, line),
  };
}

/** The stages and images that a RUN mounts. Variables are not replaced, as in `COPY --from`. */
export function mountSources(mounts: readonly string[], line: number): readonly string[] {
  return mounts.flatMap((text) => fieldsOf(text, line).get('from') ?? []);
}

function fieldsOf(text: string, line: number): Fields {
  const fields = new Map<string, string>();
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
    if (name === '') throw dockerfileError(line, `invalid field '${part}' in --mount=${text}`);
    fields.set(OTHER_NAMES[name] ?? name, equals < 0 ? 'true' : part.slice(equals + 1));
  }
  return fields;
}

function cacheMount(fields: Fields, target: string, line: number): RunMount {
  for (const [name, usual] of [
    ['uid', '0'],
    ['gid', '0'],
    ['mode', '755'],
  ] as const) {
    const value = (fields.get(name) ?? usual).replace(/^0+(?=\d)/, '');
    if (value !== usual)
      throw unsupportedInDockerfile(line, `"${name}" of RUN --mount=type=cache`, `it is ${usual}`);
  }
  const sharing = fields.get('sharing') ?? 'shared';
  if (sharing === 'private')
    throw unsupportedInDockerfile(line, 'RUN --mount=type=cache,sharing=private', 'use locked');
  if (sharing !== 'shared' && sharing !== 'locked')
    throw dockerfileError(line, `invalid value "${sharing}" for sharing`);
  return {
    kind: 'cache',
    target,
    id: fields.get('id') ?? target,
    locked: sharing === 'locked',
    readOnly: isReadOnly(fields, false, line),
  };
}

function secretMount(fields: Fields, given: string | undefined, line: number): RunMount {
  const id = fields.get('id') ?? (given === undefined ? '' : posix.basename(given));
  if (id === '') throw dockerfileError(line, 'a secret has neither an id nor a target');
  for (const name of ['uid', 'gid'])
    if ((fields.get(name) ?? '0') !== '0')
      throw unsupportedInDockerfile(line, `"${name}" of RUN --mount=type=secret`);
  const mode = fields.get('mode') ?? '400';
  if (!/^[0-7]{1,4}$/.test(mode)) throw dockerfileError(line, `invalid mode "${mode}"`);
  const env = fields.get('env');
  return {
    kind: 'secret',
    id,
    target: given ?? (env === undefined ? `/run/secrets/${id}` : undefined),
    required: truth(fields, 'required', false, line),
    mode: Number.parseInt(mode, 8),
    env,
  };
}

function isReadOnly(fields: Fields, usual: boolean, line: number): boolean {
  if (fields.has('readwrite')) return !truth(fields, 'readwrite', true, line);
  return truth(fields, 'readonly', usual, line);
}

function truth(fields: Fields, name: string, usual: boolean, line: number): boolean {
  const value = fields.get(name) ?? String(usual);
  if (value !== 'true' && value !== 'false' && value !== '1' && value !== '0')
    throw dockerfileError(line, `invalid value for '${name}': ${value}`);
  return value === 'true' || value === '1';
}

function sizeOf(text: string | undefined, line: number): number | undefined {
  if (text === undefined) return undefined;
  try {
    return parseSize('size', text);
  } catch (error) {
    throw dockerfileError(line, (error as Error).message);
  }
}
