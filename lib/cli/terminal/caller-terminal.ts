/** The caller's terminal while it is connected to the container's own terminal (`-t`). */
import { spawnSync } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { TerminalSize } from '../../engine/options/options.js';
import { DetachFilter } from './detach-keys.js';
import { showOutput, type ShownOutput } from './output-stream.js';
import { SignalError } from './command-signals.js';

/** The part of an Execution that a terminal needs. */
export interface TerminalExecution {
  readonly stdin?: Writable | undefined;
  readonly stdout?: Readable | undefined;
  /** Called when the detach keys were typed. */
  detach(): unknown;
  resize(size: TerminalSize): unknown;
}

/** The size of the terminal that the caller sees, if there is one. */
export function callerSize(): TerminalSize | undefined {
  const stream = [process.stdout, process.stderr].find(({ isTTY }) => isTTY);
  return stream !== undefined && stream.columns > 0 && stream.rows > 0
    ? { cols: stream.columns, rows: stream.rows }
    : undefined;
}

/**
 * libuv's raw mode leaves ONLCR on (uv_tty_set_mode), so a line feed of the container, which a full-screen program uses
 * to move down, would also move to the left. setRawMode(false) restores this too.
 */
function makeRaw(stdin: typeof process.stdin): void {
  // libuv does nothing if the mode is the one that it has set before.
  stdin.setRawMode(false).setRawMode(true);
  spawnSync('stty', ['-opost'], { stdio: [0, 'ignore', 'ignore'] });
}

/**
 * Raw mode, so that every key goes to the container; keys, output and size are forwarded. The mode is restored by
 * `close`, and when this process exits for any reason.
 */
export class CallerTerminal {
  readonly #execution: TerminalExecution;
  readonly #interactive: boolean;
  readonly #keys: DetachFilter;
  readonly #output: ShownOutput | undefined;
  /** Rejects once nothing more can be shown: an OutputError, or a SignalError where the terminal has gone. */
  readonly lost: Promise<never>;
  #lose!: (error: unknown) => void;
  readonly #restore: (() => void)[] = [];

  constructor(execution: TerminalExecution, interactive: boolean, detachKeys: Uint8Array) {
    this.#execution = execution;
    this.#keys = new DetachFilter(detachKeys);
    this.#keys.once('detach', () => void ignoreFailure(execution.detach()));
    this.#interactive = interactive && execution.stdin !== undefined;
    process.on('exit', this.close);
    this.#restore.push(() => process.off('exit', this.close));
    this.lost = new Promise((_, reject) => (this.#lose = reject));
    this.lost.catch(() => undefined);
    this.#forwardSize();
    if (this.#interactive) this.#forwardKeys();
    this.#output = execution.stdout === undefined ? undefined : showOutput(execution.stdout, 1);
    this.#output?.lost.catch(this.#lose);
  }

  /** Resolves when everything that the container wrote has been written here. */
  async shown(): Promise<void> {
    await this.#output?.shown();
  }

  readonly close = (): void => {
    for (const restore of this.#restore.splice(0).reverse()) restore();
  };

  #forwardKeys(): void {
    const { stdin } = process;
    const target = this.#execution.stdin;
    if (target === undefined) return;
    if (stdin.isTTY) {
      makeRaw(stdin);
      // After a stop the shell has set its own mode.
      const again = () => makeRaw(stdin);
      process.on('SIGCONT', again);
      this.#restore.push(() => {
        process.off('SIGCONT', again);
        stdin.setRawMode(false);
      });
      // No key ends the input of a raw terminal: the terminal is gone, and this process may get no signal about it.
      const hungUp = () => this.#lose(new SignalError('SIGHUP'));
      stdin.once('end', hungUp).once('error', hungUp);
      this.#restore.push(() => stdin.off('end', hungUp));
    }
    // The container may end while keys are in transit.
    target.on('error', () => undefined);
    stdin.pipe(this.#keys).pipe(target);
    this.#restore.push(() => {
      stdin.unpipe(this.#keys);
      stdin.pause();
      stdin.unref();
    });
  }

  #forwardSize(): void {
    const onChange = (): void => {
      const size = callerSize();
      if (size !== undefined) void ignoreFailure(this.#execution.resize(size));
    };
    // Node updates the size of its streams in its own listener, which came first.
    process.on('SIGWINCH', onChange);
    this.#restore.push(() => process.off('SIGWINCH', onChange));
  }
}

/** The program's result reports the failure. */
async function ignoreFailure(outcome: unknown): Promise<void> {
  await Promise.resolve(outcome).catch(() => undefined);
}
