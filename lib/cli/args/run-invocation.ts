/** From the words after `caisson run` or `create` to an image, an argv and the library's options. */
import { readFileSync } from 'node:fs';
import { conflicting, invalid, unsupported, wholeNumber } from '../../base/check.js';
import { parseEnvFile } from '../../engine/options/env.js';
import { type LogConfig, parseLogConfig } from '../../engine/options/log-config.js';
import {
  type HealthcheckNames,
  type HealthcheckOptions,
  parseTimes,
} from '../../engine/options/healthcheck.js';
import { normalizePull } from '../../engine/options/image-options.js';
import type { FirstConnectionOptions } from '../../engine/options/network-connections.js';
import type { MountOption } from '../../engine/options/mount-types.js';
import type { PullPolicy, RunOptions } from '../../engine/options/options.js';
import { parseRestartPolicy, type RestartPolicy } from '../../engine/options/restart-policy.js';
import { parseSignal } from '../../base/signals.js';
import { CaissonError, messageWithoutHint } from '../../base/errors.js';
import { formatPlatform, hostPlatform, parsePlatform } from '../../image/platform.js';
import type { RootfsWritable } from '../../image/rootfs.js';
import { absolutePath, workingDirectory } from '../../base/working-directory.js';
import { checkArguments } from './command-line.js';
import { parseDetachKeys } from '../terminal/detach-keys.js';
import { CREATE, CREATE_FLAGS } from '../flags/create-flags.js';
import { policyOf } from '../flags/policy-flags.js';
import { RUN } from '../flags/run-flags.js';
import { HelpRequest } from './help-request.js';
import { parseMountFlag } from './mount-flag.js';
import { FlagParser, type ParsedFlags } from './flag-parser.js';
import { networkOptions, parseNetworkFlag } from './network-flag.js';

export type StreamName = 'stdin' | 'stdout' | 'stderr';

export interface RunInvocation {
  /** An image's name, or with `rootfs` an absolute directory. */
  readonly image: string;
  readonly rootfs?: { readonly writable: RootfsWritable };
  readonly argv: readonly string[];
  /** Without the streams and the terminal, which the command decides about. */
  readonly options: RunOptions;
  readonly tty: boolean;
  readonly interactive: boolean;
  readonly attach: ReadonlySet<StreamName>;
  readonly sigProxy: boolean;
  readonly trace: boolean;
  /** Absolute. */
  readonly cidfile?: string;
  /** Nothing is attached then. */
  readonly detach: boolean;
  readonly detachKeys: Uint8Array;
  /** `--rm` */
  readonly autoRemove: boolean;
  readonly restart: RestartPolicy;
  readonly log: LogConfig;
  /** By number; missing: the image's, else TERM. */
  readonly stopSignal?: number;
  /** Seconds; -1: forever. */
  readonly stopTimeout?: number;
  /** Without a test, that of the image; `none`: not even the image's. */
  readonly healthcheck?: HealthcheckOptions | 'none';
  readonly quiet: boolean;
  readonly pull: PullPolicy;
}

/** What the command line takes from its own process. */
export interface ProcessContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Undefined: the working directory has been removed. */
  readonly cwd: string | undefined;
}

export function processContext(): ProcessContext {
  return { env: process.env, cwd: workingDirectory() };
}

/**
 * Throws a HelpRequest if help was asked for. `command` is what a usage error shows: `run`, `create` or `explain run`.
 */
export function parseRun(
  command: string,
  args: readonly string[],
  context: ProcessContext,
): RunInvocation {
  const spec = { ...(command === 'create' ? CREATE : RUN), name: command };
  const flags = new FlagParser(command, spec.flags, spec.unsupported).parse(args);
  if (flags.switches.get('help') === true) throw new HelpRequest(command);
  checkArguments(spec, flags.rest.length);
  const [first = '', ...argv] = flags.rest;
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
  const detach = flags.switches.get('detach') === true;
  const isStored = !isRootfs && first !== 'host';
  const platform = platformOf(last(flags, 'platform'), isStored);
  return {
    image: isRootfs ? absolutePath('rootfs', first, context.cwd) : first,
    ...(isRootfs ? { rootfs: { writable: writable ?? 'overlay' } } : {}),
    argv,
    options: { ...runOptions(flags, context), ...(platform === undefined ? {} : { platform }) },
    tty: flags.switches.get('tty') === true,
    interactive,
    attach: attached(flags, interactive, detach),
    sigProxy: !detach && (flags.switches.get('sig-proxy') ?? true),
    trace: flags.switches.get('trace') === true,
    ...(cidfile === undefined ? {} : { cidfile: absolutePath('cidfile', cidfile, context.cwd) }),
    detach,
    detachKeys: parseDetachKeys(last(flags, 'detach-keys')),
    ...detachedOptions(flags, isStored),
    quiet: flags.switches.get('quiet') === true,
    pull: normalizePull(last(flags, 'pull') as PullPolicy | undefined),
  };
}

/** The options of a detached container: removal, restarts, log, stop and health check. */
function detachedOptions(
  flags: ParsedFlags,
  isStored: boolean,
): Pick<
  RunInvocation,
  'autoRemove' | 'restart' | 'log' | 'stopSignal' | 'stopTimeout' | 'healthcheck'
> {
  const autoRemove = flags.switches.get('rm') === true;
  const restart = parseRestartPolicy('restart', last(flags, 'restart'));
  if (autoRemove && restart.name !== 'no')
    throw exclusive('restart', 'conflicting options: cannot specify both --restart and --rm');
  const log = parseLogConfig(last(flags, 'log-driver'), flags.values.get('log-opt'), {
    driver: 'log-driver',
    options: 'log-opt',
  });
  const signal = last(flags, 'stop-signal');
  const timeout = last(flags, 'stop-timeout');
  const healthcheck = healthcheckOf(flags, isStored);
  return {
    autoRemove,
    restart,
    log,
    ...(signal === undefined ? {} : { stopSignal: parseSignal('stopSignal', signal) }),
    ...(timeout === undefined
      ? {}
      : { stopTimeout: wholeNumber('stop-timeout', timeout, -1, MAX_STOP_TIMEOUT) }),
    ...(healthcheck === undefined ? {} : { healthcheck }),
  };
}

const HEALTH_FLAGS: HealthcheckNames = {
  test: 'health-cmd',
  interval: 'health-interval',
  timeout: 'health-timeout',
  startPeriod: 'health-start-period',
  startInterval: 'health-start-interval',
  retries: 'health-retries',
};

/**
 * Without a command the check is the image's, if it has one.
 *
 * @param isStored the host image and root directories have none; the other values are checked all the same.
 */
function healthcheckOf(
  flags: ParsedFlags,
  isStored: boolean,
): HealthcheckOptions | 'none' | undefined {
  const given = Object.fromEntries(
    Object.entries(HEALTH_FLAGS).map(([part, flag]) => [part, last(flags, flag)]),
  );
  const test = given['test'] ?? '';
  const times = parseTimes(given, HEALTH_FLAGS);
  const isGiven = test !== '' || Object.values(times).some((value) => value !== 0);
  const none = flags.switches.get('no-healthcheck') === true;
  if (none && isGiven)
    throw exclusive('no-healthcheck', '--no-healthcheck conflicts with --health-* options');
  if (test !== '') return { test, ...times };
  if (!isStored) return undefined;
  return none ? 'none' : isGiven ? times : undefined;
}

/** Seconds: the range of a timer in milliseconds. */
const MAX_STOP_TIMEOUT = 2_000_000;

function exclusive(option: string, message: string): CaissonError {
  return new CaissonError('ERR_CONFLICTING_OPTIONS', message, { stage: 'config', path: option });
}

/** Of an image of the store it is looked for there; what else there is has the programs of this machine. */
function platformOf(value: string | undefined, isStored: boolean): string | undefined {
  if (value === undefined || value === '') return undefined;
  const wanted = formatPlatform(parsePlatform(value));
  if (isStored) return value;
  const own = formatPlatform(hostPlatform());
  if (wanted !== own) throw unsupported('platform', value, "is not this machine's platform", own);
  return undefined;
}

function last(flags: ParsedFlags, name: string): string | undefined {
  return flags.values.get(name)?.at(-1);
}

type OptionsDraft = { -readonly [K in keyof RunOptions]: unknown };

/** Flags with an `option` are passed on unchanged, except for those that are handled here. */
function runOptions(flags: ParsedFlags, context: ProcessContext): RunOptions {
  const draft: OptionsDraft = { init: false };
  for (const { long, option, repeatable } of CREATE_FLAGS) {
    if (option === undefined || option === 'tty') continue;
    const values = flags.values.get(long);
    const state = flags.switches.get(long);
    if (state !== undefined) draft[option] = state;
    if (values !== undefined) draft[option] = repeatable === true ? values : values.at(-1);
  }
  const networks = flags.values.get('network') ?? networksOfEnvironment(context.env);
  if (networks !== undefined)
    Object.assign(draft, networkOptions(networks, draft as FirstConnectionOptions));
  const policy = policyOf((flag) => flags.values.get(flag));
  if (policy !== undefined)
    draft.network = {
      name: draft.network ?? (draft.networks === undefined ? 'bridge' : undefined),
      ...policy,
    };
  const env = environment(flags, context);
  if (env.length > 0) draft.env = env;
  const labels = labelList(flags, context);
  if (labels.length > 0) draft.labels = labels;
  const volumes = flags.values.get('volume');
  if (volumes !== undefined)
    draft.volumes = volumes.map((text) => absoluteSource(text, context.cwd));
  const mounts = flags.values.get('mount');
  if (mounts !== undefined)
    draft.mounts = mounts.map((text): MountOption => parseMountFlag(text, context.cwd));
  // Docker's default; the library's is safer.
  if (volumes !== undefined || mounts !== undefined) draft.idmap = 'host';
  return draft as RunOptions;
}

/** What `--network` is if it is not given. */
const NETWORK_VARIABLE = 'CAISSON_NETWORK';

/** Checked as the flag is. */
export function networksOfEnvironment({
  [NETWORK_VARIABLE]: value = '',
}: ProcessContext['env']): readonly string[] | undefined {
  if (value === '') return undefined;
  try {
    parseNetworkFlag(value);
  } catch (error) {
    if (!(error instanceof CaissonError)) throw error;
    const text = messageWithoutHint(error).replace(/^network: /, `${NETWORK_VARIABLE}: `);
    const { code, hint } = error;
    throw new CaissonError(code, text, { stage: 'config', path: NETWORK_VARIABLE, hint });
  }
  return [value];
}

/** As Docker since version 23: a source that begins with a dot is relative to the working directory. */
function absoluteSource(volume: string, cwd: string | undefined): string {
  const [source = '', ...rest] = volume.split(':');
  if (rest.length === 0 || !/^\.\.?(?:\/|$)/.test(source)) return volume;
  return [absolutePath('volume', source, cwd), ...rest].join(':');
}

/** `--env-file` and `-e`: files first, then the flags; a name alone takes its value from the caller. */
export function environment(
  flags: Pick<ParsedFlags, 'values'>,
  { env, cwd }: ProcessContext,
): readonly string[] {
  const assignments: string[] = [];
  for (const file of flags.values.get('env-file') ?? []) {
    const content = readLines('env-file', absolutePath('env-file', file, cwd), file);
    assignments.push(...parseEnvFile(file, content, (name) => env[name]));
  }
  for (const text of flags.values.get('env') ?? []) {
    const value = text.includes('=') ? undefined : env[text];
    assignments.push(value === undefined ? text : `${text}=${value}`);
  }
  return assignments;
}

/** Files first, so that the flags take precedence; the files have the format of `--env-file`. */
function labelList(flags: ParsedFlags, { cwd }: ProcessContext): readonly string[] {
  const labels: string[] = [];
  for (const file of flags.values.get('label-file') ?? []) {
    const content = readLines('label-file', absolutePath('label-file', file, cwd), file);
    labels.push(...parseEnvFile(file, content, () => '', 'label-file'));
  }
  return [...labels, ...(flags.values.get('label') ?? [])];
}

function readLines(flag: string, path: string, given: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CaissonError(
      code === 'ENOENT' ? 'ERR_NO_SUCH_SOURCE' : 'ERR_INVALID_OPTION',
      `${flag}: "${given}" ${code === 'ENOENT' ? 'does not exist' : code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8' : `cannot be read: ${code ?? String(cause)}`}`,
      { stage: 'config', path: given, errno: code, cause },
    );
  }
}

function attached(
  flags: ParsedFlags,
  interactive: boolean,
  detach: boolean,
): ReadonlySet<StreamName> {
  const asked = flags.values.get('attach');
  if (detach) {
    if (asked !== undefined)
      throw exclusive('detach', 'conflicting options: cannot specify both --attach and --detach');
    return new Set();
  }
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
