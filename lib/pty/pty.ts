/**
 * A program of this machine on a terminal of its own: docs/pty.md. It is no container; `Container.exec` and `Engine.run`
 * have the option `tty` for those.
 *
 * @module caisson/pty
 */
import { accessSync, constants, statSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { checkOptions, invalid, plainString, stringList, wholeNumber } from '../base/check.js';
import { errnoName } from '../base/errno.js';
import { CaissonError } from '../base/errors.js';
import { parseSignal, signalName } from '../base/signals.js';
import { HelperProcess } from '../native/helper-process.js';
import { initPath } from '../native/load.js';
import { ASKED, decodeMessages, encodeMessage, encodeSize, SAID } from './host-messages.js';

/** What `spawn` can be asked for. */
export interface PtyOptions {
  /** Characters of a line, 1 to 65535. Default: 80. */
  readonly cols?: number | undefined;
  /** Lines, 1 to 65535. Default: 24. */
  readonly rows?: number | undefined;
  /** Absolute. Default: this process's. */
  readonly cwd?: string | undefined;
  /** All of it. Default: this process's, and `TERM=xterm-256color` where that has none. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** How the program ended. */
export interface PtyExit {
  /** null: a signal ended it. */
  readonly exitCode: number | null;
  /** `SIGHUP`. null: none did. */
  readonly signal: string | null;
}

/** Where the host of the terminal has the sockets: descriptors. */
const DATA = 0;
const CHANNEL = 3;
const MAX_SIZE = 65_535;

/**
 * Starts a program in a session of its own. It gets SIGHUP, as all programs on its terminal do, when this process ends or
 * destroys the stream.
 *
 * @param program a path, or a name to be found in the PATH of its environment
 * @throws ERR_COMMAND_NOT_FOUND, ERR_COMMAND_NOT_EXECUTABLE, ERR_INVALID_OPTION, ERR_NATIVE_LOAD; ERR_START_FAILED: no terminal
 *   can be had
 *
 * @example
 * import { spawn } from 'caisson/pty';
 *
 * const shell = await spawn('sh', [], { cols: 100, rows: 30 });
 * shell.stream.on('data', (bytes) => process.stdout.write(bytes));
 * shell.stream.write('stty size; exit 3\n');
 * console.log(await shell.exited); // { exitCode: 3, signal: null }
 */
export async function spawn(
  program: string,
  args: readonly string[] = [],
  options: PtyOptions = {},
): Promise<Pty> {
  const { cols = 80, rows = 24, cwd = process.cwd(), env } = checkOptions(options);
  const size = checkedSize(cols, rows);
  const variables = environment(env);
  if (
    !isAbsolute(plainString('cwd', cwd)) ||
    statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true
  )
    throw invalid('cwd', cwd, 'is no directory');
  const words = stringList('args', args).map((word) => plainString('args', word));
  const path = find(plainString('program', program), variables);
  const host = new HelperProcess(
    initPath(),
    [
      'terminal',
      DATA,
      CHANNEL,
      size,
      cwd,
      variables.length,
      ...variables,
      path,
      program,
      ...words,
    ].map(String),
    ['both', undefined, undefined, 'both'],
  );
  return start(host, path);
}

/** A program on a terminal: pty(7). */
export class Pty {
  readonly #ask: (kind: number, value: number) => void;
  /** Of the program, on this machine. */
  readonly pid: number;
  /** What is written to it is typed; what is read from it is shown. It ends when all was read that the program has shown. */
  readonly stream: Duplex;
  /** Its program has ended, and so has its output, but for what is left to be read. */
  readonly exited: Promise<PtyExit>;

  /** Use `spawn`. */
  constructor(
    ask: (kind: number, value: number) => void,
    pid: number,
    stream: Duplex,
    exited: Promise<PtyExit>,
  ) {
    this.#ask = ask;
    this.pid = pid;
    this.stream = stream;
    this.exited = exited;
  }

  /**
   * Changes the terminal's size, in characters. Its programs get SIGWINCH.
   *
   * @param cols 1 to 65535
   * @param rows 1 to 65535
   * @throws ERR_INVALID_OPTION
   *
   * @example
   * import { spawn } from 'caisson/pty';
   *
   * const shell = await spawn('sh', ['-c', 'read line; stty size']);
   * shell.resize(100, 30);
   * shell.stream.on('data', (bytes) => process.stdout.write(bytes)); // 30 100
   * shell.stream.write('\n');
   * await shell.exited;
   */
  resize(cols: number, rows: number): void {
    this.#ask(ASKED.resize, checkedSize(cols, rows));
  }

  /**
   * Sends a signal to the program that was started. Nothing happens if it has ended.
   *
   * @throws ERR_INVALID_OPTION
   *
   * @example
   * import { spawn } from 'caisson/pty';
   *
   * const sleep = await spawn('sleep', ['60']);
   * sleep.stream.resume();
   * sleep.kill('SIGTERM');
   * console.log((await sleep.exited).signal); // SIGTERM
   */
  kill(signal: string | number = 'SIGHUP'): void {
    this.#ask(ASKED.signal, parseSignal('signal', signal));
  }
}

function start(host: HelperProcess, path: string): Promise<Pty> {
  const [stream, , , channel] = host.streams;
  const ask = (kind: number, value: number) => {
    if (!channel!.destroyed) channel!.write(encodeMessage(kind, value));
  };
  return new Promise((resolve, reject) => {
    let ended!: (exit: PtyExit) => void;
    const exited = new Promise<PtyExit>((resolve) => (ended = resolve));
    const failed = (errno: number) => {
      stream!.destroy();
      reject(failure(path, errno));
    };
    let isStarted = false;
    channel!.on(
      'data',
      decodeMessages((kind, value) => {
        if (kind === SAID.started) {
          isStarted = true;
          resolve(new Pty(ask, value, stream!, exited));
        } else if (kind === SAID.failed) failed(value);
        else if (kind === SAID.exited) ended({ exitCode: value, signal: null });
        else ended({ exitCode: null, signal: signalName(value) });
      }),
    );
    channel!.on('error', () => undefined);
    channel!.on('close', () => {
      // If it was killed, so that it could say nothing, the terminal was hung up.
      void host.end();
      if (!isStarted) failed(osConstants.errno.ESRCH);
      ended({ exitCode: null, signal: 'SIGHUP' });
    });
  });
}

function failure(path: string, errno: number): CaissonError {
  const name = errnoName(errno);
  const [code, why] =
    name === 'ENOENT' || name === 'ENOTDIR'
      ? (['ERR_COMMAND_NOT_FOUND', 'there is no such program, or no interpreter for it'] as const)
      : name === 'EACCES' || name === 'ENOEXEC'
        ? (['ERR_COMMAND_NOT_EXECUTABLE', 'it is not a program'] as const)
        : (['ERR_START_FAILED', 'it cannot be started on a terminal'] as const);
  return new CaissonError(code, `${path}: ${why} (${name})`, { stage: 'exec', errno: name, path });
}

/** As execvp(3): the first file in PATH that may be executed. */
function find(program: string, variables: readonly string[]): string {
  if (program.includes('/')) return program;
  const path = variables.find((each) => each.startsWith('PATH='))?.slice('PATH='.length);
  for (const directory of (path ?? '').split(':')) {
    const file = join(directory, program);
    if (program !== '' && directory !== '' && isExecutable(file)) return file;
  }
  throw new CaissonError(
    'ERR_COMMAND_NOT_FOUND',
    `${program}: no program of that name is in PATH`,
    {
      stage: 'exec',
      path: program,
    },
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function checkedSize(cols: number, rows: number): number {
  return encodeSize(wholeNumber('cols', cols, 1, MAX_SIZE), wholeNumber('rows', rows, 1, MAX_SIZE));
}

/** As `NAME=value`. */
function environment(env: PtyOptions['env']): string[] {
  const all = env ?? { TERM: 'xterm-256color', ...process.env };
  if (typeof all !== 'object' || Array.isArray(all)) throw invalid('env', env, 'is no record');
  return Object.entries(all).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (name === '' || name.includes('=')) throw invalid('env', name, 'is no name of a variable');
    return [`${plainString('env', name)}=${plainString('env', value)}`];
  });
}
