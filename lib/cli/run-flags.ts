/** From the words after `caisson run` to an image, an argv and the library's options. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { conflicting, invalid } from '../engine/check.js';
import { parseEnvFile } from '../engine/env.js';
import type { MountOption, RunOptions } from '../engine/options.js';
import { CaissonError } from '../errors.js';
import type { RootfsWritable } from '../image/rootfs.js';
import { RUN_FLAGS, UNSUPPORTED_RUN_FLAGS } from './flag-table.js';
import { parseMountFlag } from './mount-flag.js';
import { FlagParser, type ParsedFlags } from './parse-flags.js';
import { UsageError } from './usage-error.js';

export type StreamName = 'stdin' | 'stdout' | 'stderr';

export interface RunInvocation {
  /** An image's name, or with `rootfs` an absolute directory. */
  readonly image: string;
  readonly rootfs?: { readonly writable: RootfsWritable };
  readonly argv: readonly string[];
  /** Without the streams and the terminal, which the command decides on. */
  readonly options: RunOptions;
  readonly tty: boolean;
  readonly interactive: boolean;
  readonly attach: ReadonlySet<StreamName>;
  readonly sigProxy: boolean;
  readonly trace: boolean;
  /** Absolute. */
  readonly cidfile?: string;
}

/** What the command line takes from its surroundings. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** Undefined: help was asked for. `command` is what a usage error shows: `run` or `explain run`. */
export function parseRun(
  command: string,
  args: readonly string[],
  around: Surroundings,
): RunInvocation | undefined {
  const flags = new FlagParser(command, RUN_FLAGS, UNSUPPORTED_RUN_FLAGS).parse(args);
  if (flags.switches.get('help') === true) return undefined;
  const [first, ...argv] = flags.rest;
  if (first === undefined) {
    throw new UsageError(
      'ERR_INVALID_OPTION',
      `"caisson ${command}" requires at least 1 argument`,
      command,
      1,
    );
  }
  const isRootfs = flags.switches.get('rootfs') === true;
  const writable = last(flags, 'writable');
  if (writable !== undefined && !isRootfs) throw conflicting('writable', 'needs --rootfs');
  if (
    writable !== undefined &&
    writable !== 'overlay' &&
    writable !== 'direct' &&
    writable !== 'none'
  ) {
    throw invalid('writable', writable, 'is not one of overlay, direct, none');
  }
  if (first === '') throw invalid('image', first, 'is empty');
  const cidfile = last(flags, 'cidfile');
  if (cidfile === '') throw invalid('cidfile', cidfile, 'is empty');
  const interactive = flags.switches.get('interactive') === true;
  return {
    image: isRootfs ? resolve(around.cwd, first) : first,
    ...(isRootfs ? { rootfs: { writable: writable ?? 'overlay' } } : {}),
    argv,
    options: runOptions(flags, around),
    tty: flags.switches.get('tty') === true,
    interactive,
    attach: attached(flags, interactive),
    sigProxy: flags.switches.get('sig-proxy') ?? true,
    trace: flags.switches.get('trace') === true,
    ...(cidfile === undefined ? {} : { cidfile: resolve(around.cwd, cidfile) }),
  };
}

function last(flags: ParsedFlags, name: string): string | undefined {
  return flags.values.get(name)?.at(-1);
}

type OptionsDraft = { -readonly [K in keyof RunOptions]: unknown };

/** Flags with a meaning of their own here; every other one with an `option` is handed on as it is. */
function runOptions(flags: ParsedFlags, around: Surroundings): RunOptions {
  const draft: OptionsDraft = { init: false };
  for (const { long, option, repeatable } of RUN_FLAGS) {
    if (option === undefined || option === 'tty') continue;
    const values = flags.values.get(long);
    const state = flags.switches.get(long);
    if (state !== undefined) draft[option] = state;
    if (values !== undefined) draft[option] = repeatable === true ? values : values.at(-1);
  }
  const env = environment(flags, around);
  if (env.length > 0) draft.env = env;
  const volumes = flags.values.get('volume');
  if (volumes !== undefined)
    draft.volumes = volumes.map((text) => absoluteSource(text, around.cwd));
  const mounts = flags.values.get('mount');
  if (mounts !== undefined)
    draft.mounts = mounts.map((text): MountOption => parseMountFlag(text, around.cwd));
  return draft as RunOptions;
}

/** As Docker since version 23: a source that begins with a dot is relative to the working directory. */
function absoluteSource(volume: string, cwd: string): string {
  const [source = '', ...rest] = volume.split(':');
  if (rest.length === 0 || !/^\.\.?(?:\/|$)/.test(source)) return volume;
  return [resolve(cwd, source), ...rest].join(':');
}

/** Files first, then the flags; a name alone takes its value from the caller. */
function environment(flags: ParsedFlags, { env, cwd }: Surroundings): readonly string[] {
  const assignments: string[] = [];
  for (const file of flags.values.get('env-file') ?? []) {
    assignments.push(
      ...parseEnvFile(file, readEnvFile(resolve(cwd, file), file), (name) => env[name]),
    );
  }
  for (const text of flags.values.get('env') ?? []) {
    const value = text.includes('=') ? undefined : env[text];
    assignments.push(value === undefined ? text : `${text}=${value}`);
  }
  return assignments;
}

function readEnvFile(path: string, given: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CaissonError(
      code === 'ENOENT' ? 'ERR_NO_SUCH_SOURCE' : 'ERR_INVALID_OPTION',
      `env-file: "${given}" ${code === 'ENOENT' ? 'does not exist' : code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8' : `cannot be read: ${code ?? String(cause)}`}`,
      { stage: 'config', path: given, errno: code, cause },
    );
  }
}

function attached(flags: ParsedFlags, interactive: boolean): ReadonlySet<StreamName> {
  const asked = flags.values.get('attach');
  if (asked === undefined)
    return new Set(interactive ? ['stdin', 'stdout', 'stderr'] : ['stdout', 'stderr']);
  return new Set(
    asked.map((text) => {
      const name = text.toLowerCase();
      if (name === 'stdin' || name === 'stdout' || name === 'stderr') return name;
      throw invalid('attach', text, 'is not one of stdin, stdout, stderr');
    }),
  );
}
