/** What `exec` can be asked for, in Docker's words, and its check. */
import type { StdioPlan } from '../../program/launch-input.js';
import { checkAbortSignal } from '../../base/abort-signals.js';
import { boolean, conflicting, invalid, isRecord, plainString } from '../../base/check.js';
import {
  normalizeMaxOutput,
  normalizeTimeout,
  normalizeUser,
  normalizeWorkdir,
  stream,
} from './config.js';
import { normalizeEnv } from './env.js';
import { normalizeMaxLine } from '../../base/lines.js';
import { normalizeTerminal } from './terminal.js';
import type { ProcessOptions, TerminalSize } from './options.js';

/** What `Container.exec` can be asked for. An unknown option is ERR_INVALID_OPTION. */
export interface ExecOptions extends Pick<
  ProcessOptions,
  'tty' | 'stdin' | 'stdout' | 'stderr' | 'signal' | 'maxOutput' | 'maxLine'
> {
  /** On top of the container's own; as for `run`, `NAME` alone takes a variable away. */
  readonly env?: ProcessOptions['env'];
  /** Absolute. Default: the container's own. */
  readonly workdir?: string | undefined;
  /** `name|uid[:group|gid]`, looked up in the container's files as they are now. Default: the container's own. */
  readonly user?: string | undefined;
  /** All capabilities (in the container's user namespace, where it has one) and no filter. */
  readonly privileged?: boolean | undefined;
  /** Milliseconds from the call until the program is killed. */
  readonly timeout?: number | undefined;
  /**
   * It outlives this process, and its streams lead nowhere. The execution resolves when it has been exec'ed, with exit
   * code 0; how it ends is not reported.
   */
  readonly detach?: boolean | undefined;
  /** With `tty`: `detach()` of the execution lets it run on without this process. */
  readonly detachable?: boolean | undefined;
}

/** Every option that there is; the type keeps the list complete. */
export const EXEC_OPTION_NAMES: { readonly [K in keyof Required<ExecOptions>]: true } = {
  env: true,
  workdir: true,
  user: true,
  privileged: true,
  tty: true,
  stdin: true,
  stdout: true,
  stderr: true,
  timeout: true,
  signal: true,
  maxOutput: true,
  maxLine: true,
  detach: true,
  detachable: true,
};

export interface ExecConfig {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  readonly privileged: boolean;
  readonly terminal?: TerminalSize | undefined;
  readonly stdin: StdioPlan;
  readonly stdout: StdioPlan;
  readonly stderr: StdioPlan;
  readonly timeout?: number | undefined;
  readonly detached: boolean;
  readonly detachable: boolean;
}

/** @param userns whether the container has a user namespace of its own */
export function normalizeExec(
  argv: readonly string[],
  options: ExecOptions,
  userns: 'auto' | 'host',
): ExecConfig {
  if (!isRecord(options)) throw invalid('options', options, 'is not an object');
  for (const key in options) {
    if (!(key in EXEC_OPTION_NAMES))
      throw invalid(key, (options as Record<string, unknown>)[key], 'is not an option of exec');
  }
  const { detach = false, detachable = false, privileged = false, workdir } = options;
  boolean('detach', detach);
  boolean('detachable', detachable);
  boolean('privileged', privileged);
  checkAbortSignal(options.signal);
  normalizeMaxOutput(options.maxOutput);
  normalizeMaxLine(options.maxLine);
  const terminal = normalizeTerminal(options.tty);
  const output = detach ? 'null' : 'pipe';
  const config = {
    args: normalizeArgs(argv),
    env: normalizeEnv(options.env),
    workdir: workdir === undefined || workdir === '' ? undefined : normalizeWorkdir(workdir),
    user: normalizeUser(options.user, userns),
    privileged,
    terminal,
    stdin: stream('stdin', options.stdin, terminal === undefined ? 'null' : 'pipe', terminal),
    stdout: stream('stdout', options.stdout, output, terminal),
    stderr: stream('stderr', options.stderr, output, terminal),
    timeout: normalizeTimeout(options.timeout),
    detached: detach,
    detachable,
  };
  if (detachable && terminal === undefined)
    throw conflicting(
      'detachable',
      'it needs tty',
      'only a program with a terminal can be detached from',
    );
  if (detach) refuseWatching(config);
  return config;
}

/** A detached program has no reader, no input and no time limit. */
function refuseWatching({ terminal, timeout, ...streams }: ExecConfig): void {
  const refused = (option: string) =>
    conflicting(
      option,
      'detach excludes it',
      'a detached program has no streams and no time limit',
    );
  if (terminal !== undefined) throw refused('tty');
  if (timeout !== undefined) throw refused('timeout');
  for (const name of ['stdin', 'stdout', 'stderr'] as const) {
    if (streams[name] !== 'null') throw refused(name);
  }
}

function normalizeArgs(argv: readonly string[]): readonly string[] {
  if (!Array.isArray(argv))
    throw invalid('argv', argv, 'is not an array', 'one string for each argument');
  for (const arg of argv) plainString('argv', arg);
  if (argv.length === 0) throw invalid('argv', argv, 'is empty');
  if (argv[0] === '') throw invalid('argv', argv, 'begins with an empty command');
  return argv as readonly string[];
}
