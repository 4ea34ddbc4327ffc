/**
 * The configuration of an image (OCI image spec, config.md; Docker's has the same fields and some more), parsed from bytes
 * that are untrusted, also where their digest is the expected one. Pure.
 */
import { posix } from 'node:path';
import { isRecord, show } from '../base/check.js';
import { CaissonError } from '../base/errors.js';
import { parseJson } from '../base/storage.js';
import { MOST_LAYERS } from './manifest.js';

/** How a container of the image is asked whether it is well; times are milliseconds, 0 is Docker's default. */
export interface ImageHealthcheck {
  /** `none`: not at all. A text is run by a shell. Undefined: only the times are said. */
  readonly test:
    | 'none'
    | {
        /** A command line. */
        readonly shell: string;
      }
    | {
        /** A program and its arguments. */
        readonly command: readonly string[];
      }
    | undefined;
  /** Between two checks. */
  readonly interval: number;
  /** After which a check has failed. */
  readonly timeout: number;
  /** From the start, in which failures do not count. */
  readonly startPeriod: number;
  /** Between two checks in that time. */
  readonly startInterval: number;
  /** Failures in a row that make it unhealthy. */
  readonly retries: number;
}

/** What an image says of itself and of its containers. Missing fields are empty. */
export interface ImageConfig {
  /** `linux`. */
  readonly os: string;
  /** As Go names it: `amd64`, `arm64`. */
  readonly architecture: string;
  /** Of the architecture: `v7`. */
  readonly variant: string;
  /** ISO 8601; empty if it is not said, or is no time. */
  readonly created: string;
  /** Free text. */
  readonly author: string;
  /** Of the image, or else of the last step of its history. */
  readonly comment: string;
  /** `NAME=value`. */
  readonly env: readonly string[];
  /** What comes before the command. */
  readonly entrypoint: readonly string[];
  /** The command, where a container has none of its own. */
  readonly cmd: readonly string[];
  /** `user[:group]`; empty is root. */
  readonly user: string;
  /** Absolute and normalized; empty if it is not said. */
  readonly workdir: string;
  /** Absolute, normalized and sorted. */
  readonly volumes: readonly string[];
  /** `80/tcp`, sorted. */
  readonly exposedPorts: readonly string[];
  /** As it was written: a name or a number. */
  readonly stopSignal: string;
  /** Undefined: the image says nothing of it. */
  readonly healthcheck: ImageHealthcheck | undefined;
  /** Of a Dockerfile, for the texts of RUN, CMD and ENTRYPOINT; a health check has it too. */
  readonly shell: readonly string[];
  /** By key. */
  readonly labels: Readonly<Record<string, string>>;
  /** Instructions for builds from this image. */
  readonly onBuild: readonly string[];
  /** Digests of the layers' uncompressed archives, the lowest one first. */
  readonly diffIds: readonly string[];
}

/** Bytes; Docker and containerd limit theirs to some MiB, too. */
export const LARGEST_CONFIG = 8 << 20;
/** Of each list and of each map. */
const MOST_ENTRIES = 10_000;
/** Characters of one text: what execve(2) takes of one argument (MAX_ARG_STRLEN). */
const LONGEST_TEXT = 131_071;

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const PORT = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i;

type Fields = Readonly<Record<string, unknown>>;

/**
 * @param name of the image, for errors
 * @throws ERR_INVALID_IMAGE
 */
export function parseImageConfig(bytes: Uint8Array, name: string): ImageConfig {
  if (bytes.length > LARGEST_CONFIG)
    throw invalidConfig(name, `has ${bytes.length} bytes, more than ${LARGEST_CONFIG}`);
  const value = parseJson(decode(bytes, name));
  if (!isRecord(value)) throw invalidConfig(name, 'is not a JSON object');
  const whole = new Reader(value as Fields, name);
  const config = whole.part('config');
  return {
    os: whole.text('os'),
    architecture: whole.text('architecture'),
    variant: whole.text('variant'),
    created: time(whole.text('created')),
    author: whole.text('author'),
    comment: whole.text('comment') || lastComment(whole.get('history')),
    env: config.list('Env').filter((text) => text !== '' && !text.startsWith('=')),
    entrypoint: config.list('Entrypoint'),
    cmd: config.list('Cmd'),
    user: config.text('User'),
    workdir: workdirOf(config.text('WorkingDir')),
    volumes: volumesOf(config.keys('Volumes'), name),
    exposedPorts: portsOf(config.keys('ExposedPorts'), name),
    stopSignal: config.text('StopSignal'),
    healthcheck: healthcheckOf(config, name),
    shell: config.list('Shell'),
    labels: config.map('Labels'),
    onBuild: config.list('OnBuild'),
    diffIds: diffIdsOf(whole.part('rootfs'), name),
  };
}

/** The history is for people: what is wrong in it does not matter. */
function lastComment(history: unknown): string {
  const last: unknown = Array.isArray(history) ? history.at(-1) : undefined;
  const comment = isRecord(last) ? (last as Fields)['comment'] : undefined;
  return typeof comment === 'string' && comment.length <= LONGEST_TEXT ? comment : '';
}

/** Fields of one object. Go writes null for what is empty. */
class Reader {
  constructor(
    private readonly fields: Fields,
    private readonly name: string,
  ) {}

  /** Undefined for null, too. Not what an object has of its class. */
  get(field: string): unknown {
    return Object.hasOwn(this.fields, field) ? (this.fields[field] ?? undefined) : undefined;
  }

  part(field: string): Reader {
    return new Reader(this.record(field), this.name);
  }

  text(field: string): string {
    const value = this.get(field) ?? '';
    return this.checked(field, value);
  }

  list(field: string): readonly string[] {
    const value = this.get(field) ?? [];
    if (!Array.isArray(value)) throw this.wrong(field, value, 'is not a list');
    this.checkCount(field, value.length);
    return value.map((item) => this.checked(field, item));
  }

  keys(field: string): readonly string[] {
    const keys = Object.keys(this.record(field));
    this.checkCount(field, keys.length);
    return keys.map((key) => this.checked(field, key));
  }

  map(field: string): Readonly<Record<string, string>> {
    const entries = Object.entries(this.record(field));
    this.checkCount(field, entries.length);
    return Object.fromEntries(
      entries.map(([key, value]) => [this.checked(field, key), this.checked(field, value ?? '')]),
    );
  }

  number(field: string): number {
    const value = this.get(field) ?? 0;
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw this.wrong(field, value, 'is not a number');
    return value;
  }

  wrong(field: string, value: unknown, why: string): CaissonError {
    return invalidConfig(this.name, `has ${field} ${show(value)}, which ${why}`);
  }

  private record(field: string): Fields {
    const value = this.get(field) ?? {};
    if (!isRecord(value)) throw this.wrong(field, value, 'is not an object');
    return value as Fields;
  }

  private checkCount(field: string, count: number): void {
    if (count > MOST_ENTRIES)
      throw invalidConfig(this.name, `has ${count} entries in ${field}, more than ${MOST_ENTRIES}`);
  }

  private checked(field: string, value: unknown): string {
    if (typeof value !== 'string') throw this.wrong(field, value, 'is not a text');
    if (value.includes('\0')) throw this.wrong(field, value, 'contains a NUL byte');
    if (value.length > LONGEST_TEXT)
      throw invalidConfig(this.name, `has a text of ${value.length} characters in ${field}`);
    return value;
  }
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalidConfig(name, 'is not UTF-8');
  }
}

function time(text: string): string {
  return Number.isNaN(Date.parse(text)) ? '' : text;
}

/** Docker takes a relative one as one below the root. */
function workdirOf(text: string): string {
  if (text === '') return '';
  const normal = posix.normalize(`/${text}`);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

function volumesOf(paths: readonly string[], name: string): readonly string[] {
  const volumes = paths.map((path) => {
    const normal = workdirOf(path);
    if (!path.startsWith('/') || normal === '/')
      throw invalidConfig(name, `has a volume at ${show(path)}, which is not a directory below /`);
    return normal;
  });
  return [...new Set(volumes)].sort();
}

function portsOf(texts: readonly string[], name: string): readonly string[] {
  const ports = texts.flatMap((text) => {
    const [, first = '', last = first, protocol = 'tcp'] = PORT.exec(text) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === '' || from < 1 || to < from || to > 65_535)
      throw invalidConfig(name, `has the port ${show(text)}, which is not PORT[/PROTOCOL]`);
    return [`${first === last ? from : `${from}-${to}`}/${protocol.toLowerCase()}`];
  });
  return [...new Set(ports)].sort();
}

function healthcheckOf(config: Reader, name: string): ImageHealthcheck | undefined {
  if (config.get('Healthcheck') === undefined) return undefined;
  const check = config.part('Healthcheck');
  const milliseconds = (field: string) => {
    const nanoseconds = check.number(field);
    if (nanoseconds < 0) throw check.wrong(field, nanoseconds, 'is negative');
    return nanoseconds === 0 ? 0 : Math.max(1, Math.round(nanoseconds / 1e6));
  };
  const retries = check.number('Retries');
  if (!Number.isSafeInteger(retries) || retries < 0)
    throw check.wrong('Retries', retries, 'is not a number of failures');
  return {
    test: testOf(check, name),
    interval: milliseconds('Interval'),
    timeout: milliseconds('Timeout'),
    startPeriod: milliseconds('StartPeriod'),
    startInterval: milliseconds('StartInterval'),
    retries,
  };
}

function testOf(check: Reader, name: string): ImageHealthcheck['test'] {
  const [kind, ...rest] = check.list('Test');
  const [first = ''] = rest;
  if (kind === undefined) return undefined;
  if (kind === 'NONE') return 'none';
  if (kind === 'CMD-SHELL' && rest.length === 1 && first !== '') return { shell: first };
  if (kind === 'CMD' && first !== '') return { command: rest };
  throw invalidConfig(name, `has the health check ${show([kind, ...rest])}, which is none`);
}

function diffIdsOf(rootfs: Reader, name: string): readonly string[] {
  const ids = rootfs.list('diff_ids');
  if (ids.length > MOST_LAYERS) throw tooManyLayers(name, ids.length);
  for (const id of ids)
    if (!DIGEST.test(id)) throw rootfs.wrong('diff_ids', id, 'is not a digest (sha256:…)');
  return ids;
}

export function tooManyLayers(name: string, count: number): CaissonError {
  return new CaissonError(
    'ERR_INVALID_IMAGE',
    `the image ${name} has ${count} layers, more than the ${MOST_LAYERS} that overlay takes`,
    { stage: 'image', path: name, hint: 'build it again with fewer layers (--squash)' },
  );
}

function invalidConfig(name: string, why: string): CaissonError {
  return new CaissonError('ERR_INVALID_IMAGE', `the configuration of the image ${name} ${why}`, {
    stage: 'image',
    path: name,
  });
}
