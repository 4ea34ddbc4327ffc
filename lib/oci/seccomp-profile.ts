/** Reads seccomp profiles that people write: in OCI's form, or in Docker's, which says more at once. */
import { readFile } from 'node:fs/promises';
import { constants, release } from 'node:os';

import { CaissonError } from '../base/errors.js';
import type { LinuxSeccomp, LinuxSeccompArg, LinuxSyscall } from './runtime-spec.js';
import { encodeProfile } from './seccomp-encode.js';

/** What the conditions in a Docker profile are about. */
export interface ProfileTarget {
  /** `CAP_…`, the container's bounding set. */
  readonly capabilities: ReadonlySet<string>;
  /** Node's name for the machine; by default the one that this runs on. */
  readonly arch?: string | undefined;
  /** The kernel's release, such as `6.1.0-13-amd64`; by default the running one. */
  readonly kernel?: string | undefined;
}

/** The machine in Docker's profiles: Go's name for it, and OCI's. */
const MACHINES: Record<string, { readonly go: string; readonly oci: string }> = {
  x64: { go: 'amd64', oci: 'SCMP_ARCH_X86_64' },
  arm64: { go: 'arm64', oci: 'SCMP_ARCH_AARCH64' },
};

/**
 * The profile in `file`, checked whole: what it yields, `compileProfile` takes.
 *
 * @throws CaissonError with the file's path: ERR_INVALID_OPTION where it cannot be read or is malformed,
 *   ERR_UNSUPPORTED_OPTION for what caisson does not have.
 */
export async function loadProfile(file: string, target: ProfileTarget): Promise<LinuxSeccomp> {
  try {
    return parseProfile(JSON.parse(await readFile(file, 'utf8')), target);
  } catch (error) {
    const code = error instanceof CaissonError ? error.code : 'ERR_INVALID_OPTION';
    const errno = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new CaissonError(code, `${file}: ${reason}`, {
      stage: 'config',
      path: file,
      errno: code === 'ERR_INVALID_OPTION' && errno?.startsWith('E') ? errno : undefined,
      cause: error,
    });
  }
}

/** The same for a profile that has been read already. Unknown keys are errors: a typo must not open a door. */
export function parseProfile(json: unknown, target: ProfileTarget): LinuxSeccomp {
  const root = new Fields(json, 'profile');
  const { capabilities, arch = process.arch, kernel = release() } = target;
  const rules = root.list('syscalls').map((rule, i) => parseRule(rule, `syscalls[${i}]`));
  const profile: LinuxSeccomp = {
    defaultAction: root.string('defaultAction', 'required') as LinuxSeccomp['defaultAction'],
    ...optional('defaultErrnoRet', parseErrno(root, 'defaultErrnoRet', 'defaultErrno')),
    ...optional('architectures', parseArchitectures(root, arch)),
    ...optional('flags', root.strings('flags')),
    syscalls: rules
      .filter(({ when }) => applies(when, { capabilities, arch, kernel }))
      .map(({ syscall }) => syscall),
  };
  for (const key of ['listenerPath', 'listenerMetadata']) {
    if (root.string(key)) {
      throw new CaissonError('ERR_UNSUPPORTED_OPTION', `${key} is not supported`, {
        stage: 'config',
      });
    }
  }
  root.string('comment');
  root.end();
  encodeProfile(profile, arch);
  return profile;
}

interface Filter {
  readonly caps: readonly string[];
  readonly arches: readonly string[];
  readonly minKernel: readonly [number, number] | undefined;
}

interface Conditional {
  readonly syscall: LinuxSyscall;
  readonly when: { readonly includes: Filter; readonly excludes: Filter };
}

function parseRule(json: unknown, where: string): Conditional {
  const rule = new Fields(json, where);
  const single = rule.string('name');
  const names = [...(single ? [single] : []), ...(rule.strings('names') ?? [])];
  if (names.length === 0) throw invalid(`${where}: names no system call`);
  const args = rule.list('args').map((arg, i) => parseArg(arg, `${where}.args[${i}]`));
  const syscall: LinuxSyscall = {
    names,
    action: rule.string('action', 'required') as LinuxSyscall['action'],
    ...optional('errnoRet', parseErrno(rule, 'errnoRet', 'errno')),
    ...(args.length > 0 ? { args } : {}),
  };
  const includes = parseFilter(rule.take('includes'), `${where}.includes`);
  const excludes = parseFilter(rule.take('excludes'), `${where}.excludes`);
  rule.string('comment');
  rule.end();
  return { syscall, when: { includes, excludes } };
}

function parseArg(json: unknown, where: string): LinuxSeccompArg {
  const arg = new Fields(json, where);
  const parsed: LinuxSeccompArg = {
    index: arg.number('index') ?? 0,
    value: arg.number('value') ?? 0,
    ...optional('valueTwo', arg.number('valueTwo')),
    op: arg.string('op', 'required') as LinuxSeccompArg['op'],
  };
  arg.end();
  return parsed;
}

function parseFilter(json: unknown, where: string): Filter {
  const filter = new Fields(json ?? {}, where);
  const parsed: Filter = {
    caps: filter.strings('caps') ?? [],
    arches: filter.strings('arches') ?? [],
    minKernel: parseVersion(filter.string('minKernel'), `${where}.minKernel`),
  };
  filter.end();
  return parsed;
}

/** A number, or, as podman writes it, a name beside the number or instead of it. */
function parseErrno(fields: Fields, numberKey: string, nameKey: string): number | undefined {
  const number = fields.number(numberKey);
  const name = fields.string(nameKey);
  if (number !== undefined || !name) return number;
  const named = (constants.errno as Record<string, number>)[name];
  if (named === undefined) throw invalid(`${nameKey}: unknown error "${name}"`);
  return named;
}

/** `architectures`, or the row of `archMap` for this machine. */
function parseArchitectures(root: Fields, arch: string): readonly string[] | undefined {
  const architectures = root.strings('architectures');
  const rows = root.list('archMap').map((json, i) => {
    const row = new Fields(json, `archMap[${i}]`);
    const architecture = row.string('architecture', 'required');
    const subArchitectures = row.strings('subArchitectures') ?? [];
    row.end();
    return [architecture, ...subArchitectures];
  });
  if (rows.length === 0) return architectures;
  if (architectures?.length) throw invalid('architectures and archMap exclude each other');
  return rows.find(([architecture]) => architecture === MACHINES[arch]?.oci);
}

function applies(
  { includes, excludes }: Conditional['when'],
  target: Required<ProfileTarget>,
): boolean {
  const has = (cap: string): boolean => target.capabilities.has(cap);
  const machine = MACHINES[target.arch ?? '']?.go ?? '';
  const kernel = parseVersion(/^\d+\.\d+/.exec(target.kernel ?? '')?.[0], 'kernel') ?? [0, 0];
  const reached = ([major, minor]: readonly [number, number]): boolean =>
    kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
  return (
    includes.caps.every(has) &&
    !excludes.caps.some(has) &&
    (includes.arches.length === 0 || includes.arches.includes(machine)) &&
    !excludes.arches.includes(machine) &&
    (includes.minKernel === undefined || reached(includes.minKernel)) &&
    (excludes.minKernel === undefined || !reached(excludes.minKernel))
  );
}

function parseVersion(text: string | undefined, where: string): [number, number] | undefined {
  if (!text) return undefined;
  const match = /^(\d{1,5})\.(\d{1,5})$/.exec(text);
  if (!match) throw invalid(`${where}: "${text}" is not a kernel version such as 4.8`);
  return [Number(match[1]), Number(match[2])];
}

/** An object's members, each taken once by its type; `null` is as good as absent (Go writes it). */
class Fields {
  readonly #members: Map<string, unknown>;

  constructor(
    json: unknown,
    readonly where: string,
  ) {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw invalid(`${where} must be an object`);
    }
    this.#members = new Map(Object.entries(json));
  }

  take(key: string): unknown {
    const value = this.#members.get(key);
    this.#members.delete(key);
    return value ?? undefined;
  }

  string(key: string, need: 'required'): string;
  string(key: string): string | undefined;
  string(key: string, need?: 'required'): string | undefined {
    const value = this.take(key);
    if (value === undefined && need === undefined) return undefined;
    if (typeof value !== 'string') throw invalid(`${this.where}: ${key} must be a string`);
    return value;
  }

  number(key: string): number | undefined {
    const value = this.take(key);
    if (value === undefined || typeof value === 'number') return value;
    throw invalid(`${this.where}: ${key} must be a number`);
  }

  list(key: string): readonly unknown[] {
    const value = this.take(key) ?? [];
    if (!Array.isArray(value)) throw invalid(`${this.where}: ${key} must be an array`);
    return value;
  }

  strings(key: string): readonly string[] | undefined {
    const absent = (this.#members.get(key) ?? undefined) === undefined;
    const list = this.list(key).map((value) => {
      if (typeof value === 'string' && value !== '') return value;
      throw invalid(`${this.where}: ${key} must be an array of names`);
    });
    return absent ? undefined : list;
  }

  end(): void {
    const [key] = this.#members.keys();
    if (key !== undefined) throw invalid(`${this.where}: unknown key "${key}"`);
  }
}

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

function invalid(message: string): CaissonError {
  return new CaissonError('ERR_INVALID_OPTION', `seccomp profile: ${message}`, { stage: 'config' });
}
