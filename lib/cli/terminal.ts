/** The caller's terminal while the container has one of its own (`-t`). */
import { spawnSync } from 'node:child_process';
import { finished, type Readable, type Writable } from 'node:stream';
import type { TerminalSize } from '../engine/options.js';
import { DetachFilter } from './detach-keys.js';

/** What of an Execution a terminal needs. */
export interface TerminalExecution {
  readonly stdin?: Writable | undefined;
  readonly stdout?: Readable | undefined;
  /** The keys for that were typed. */
  detach(): unknown;
  /** Nobody sits at the terminal any more. */
  leave(): unknown;
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
 * libuv's raw mode leaves ONLCR on (uv_tty_set_mode), and so a line feed of the container's, by which a program on
 * the whole screen moves down, would also move to the left. setRawMode(false) puts this back too.
 */
function passOutput(): void {
  spawnSync('stty', ['-opost'], { stdio: [0, 'ignore', 'ignore'] });
}

/** Signals after which nobody sits at the terminal any more, or nobody wants it. */
const ENDING: readonly (readonly [NodeJS.Signals, number])[] = [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGQUIT', 3],
  ['SIGTERM', 15],
];

/**
 * Raw mode, so that every key goes to the container; keys, output and size are passed on. The mode is put
 * back when the container ends, when this process exits for whatever reason, and on signals.
 */
export class CallerTerminal {
  readonly #execution: TerminalExecution;
  readonly #interactive: boolean;
  readonly #keys: DetachFilter;
  readonly #output: Promise<void>;
  readonly #undo: (() => void)[] = [];

  constructor(execution: TerminalExecution, interactive: boolean, detachKeys: Uint8Array) {
    this.#execution = execution;
    this.#keys = new DetachFilter(detachKeys);
    this.#keys.once('detach', () => void ignoreFailure(execution.detach()));
    this.#interactive = interactive && execution.stdin !== undefined;
    process.on('exit', this.close);
    this.#undo.push(() => process.off('exit', this.close));
    this.#forwardSize();
    this.#endOnSignals();
    if (this.#interactive) this.#forwardKeys();
    this.#output = this.#forwardOutput();
  }

  /** Resolves when everything that the container wrote has been written here. */
  async drained(): Promise<void> {
    await this.#output;
  }

  readonly close = (): void => {
    for (const undo of this.#undo.splice(0).reverse()) undo();
  };

  #forwardKeys(): void {
    const { stdin } = process;
    const target = this.#execution.stdin;
    if (target === undefined) return;
    if (stdin.isTTY) {
      stdin.setRawMode(true);
      passOutput();
      this.#undo.push(() => stdin.setRawMode(false));
    }
    // The container may end while keys are under way.
    target.on('error', () => undefined);
    stdin.pipe(this.#keys).pipe(target);
    this.#undo.push(() => {
      stdin.unpipe(this.#keys);
      stdin.pause();
      stdin.unref();
    });
  }

  #forwardOutput(): Promise<void> {
    const source = this.#execution.stdout;
    if (source === undefined) return Promise.resolve();
    source.pipe(process.stdout, { end: false });
    // A reader that goes away (`| head`) ends what this command shows, not the container.
    process.stdout.on('error', () => source.resume());
    return new Promise((resolve) => finished(source, { writable: false }, () => resolve()));
  }

  #forwardSize(): void {
    const onChange = (): void => {
      const size = callerSize();
      if (size !== undefined) void ignoreFailure(this.#execution.resize(size));
    };
    // Node updates the size of its streams in its own listener, which came first.
    process.on('SIGWINCH', onChange);
    this.#undo.push(() => process.off('SIGWINCH', onChange));
  }

  #endOnSignals(): void {
    for (const [name, number] of ENDING) {
      const onSignal = (): void => {
        this.close();
        void ignoreFailure(this.#execution.leave()).finally(() => process.exit(128 + number));
      };
      process.on(name, onSignal);
      this.#undo.push(() => process.off(name, onSignal));
    }
  }
}

/** What has gone wrong the program's result says. */
async function ignoreFailure(outcome: unknown): Promise<void> {
  await Promise.resolve(outcome).catch(() => undefined);
}
