/** What `run` and `exec` return. */
import type { Readable, Writable } from 'node:stream';
import { linesOf } from '../../base/lines.js';
import { parseSignal } from '../../base/signals.js';
import type { TerminalSize } from '../options/options.js';
import type { ExecutionController } from './execution-controller.js';
import type { RunResult } from './run-result.js';

let make: (controller: ExecutionController) => Execution;

export function executionOf(controller: ExecutionController): Execution {
  return make(controller);
}

/** One `run` or `exec`: a promise of its result, its streams, and an iterable of its lines. */
export class Execution implements PromiseLike<RunResult> {
  readonly #controller: ExecutionController;
  /** Long id. */
  readonly id: string;

  static {
    make = (controller) => new Execution(controller);
  }

  private constructor(controller: ExecutionController) {
    this.#controller = controller;
    this.id = controller.id;
  }

  /** Resolves when the program has been exec'ed; rejects with why it was not. */
  get started(): Promise<void> {
    return this.#controller.started;
  }

  /**
   * Of the container's first process, or of the program that `exec` has started, as this process sees it. Known once
   * `started` has resolved; after the end, another process may have it.
   */
  get pid(): number | undefined {
    return this.#controller.pid;
  }

  /** Undefined unless `stdin: 'pipe'`. Ending it closes the program's standard input. */
  get stdin(): Writable | undefined {
    return this.#controller.stdin;
  }

  /** Undefined unless `stdout: 'pipe'`. Reading it applies back-pressure to the program. */
  get stdout(): Readable | undefined {
    return this.#controller.stdout?.stream;
  }

  /** The same of standard error. */
  get stderr(): Readable | undefined {
    return this.#controller.stderr?.stream;
  }

  /**
   * Sends a signal to the program, by name (`SIGTERM`, `TERM`) or number. KILL ends the whole container; of
   * `exec`, the program alone.
   *
   * @throws ERR_INVALID_OPTION: there is no such signal
   *
   * @example
   * const run = engine.run('host', ['sleep', '60']);
   * await run.started;
   * run.kill('SIGTERM');
   * console.log((await run).signal); // SIGTERM
   */
  kill(signal: string | number = 'SIGKILL'): void {
    this.#controller.kill(parseSignal('signal', signal));
  }

  /**
   * Lets a program that was started by `exec` with `detachable` run on without this process, once it has been started; the
   * execution resolves then. It has no effect on any other.
   *
   * @example
   * const run = box.exec(['sleep', '60'], { tty: true, detachable: true });
   * await run.started;
   * await run.detach();
   * console.log((await run).detached); // true
   */
  detach(): Promise<void> {
    return this.#controller.detach();
  }

  /**
   * Changes the terminal's size, in characters; without a terminal nothing happens.
   *
   * @example
   * const run = engine.run('host', ['sh', '-c', 'read line; stty size'], { tty: true });
   * await run.started;
   * run.resize({ cols: 100, rows: 30 });
   * run.stdin?.write('\n');
   * console.log((await run).stdout.trim()); // 30 100
   */
  resize(size: TerminalSize): void {
    this.#controller.resize(size);
  }

  /** As of a promise of the result. */
  then<A = RunResult, B = never>(
    onfulfilled?: ((value: RunResult) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#controller.result.then(onfulfilled, onrejected);
  }

  /** As of a promise. */
  catch<B = never>(
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<RunResult | B> {
    return this.#controller.result.catch(onrejected);
  }

  /** As of a promise. */
  finally(onfinally?: (() => void) | null): Promise<RunResult> {
    return this.#controller.result.finally(onfinally);
  }

  /**
   * Lines of standard output, as they come; then throws if the start failed. After an early end of the loop
   * nothing more is read: the program writes on, into what is captured. A line longer than `maxLine` is an error, and ends the
   * program.
   *
   * @throws ERR_LINE_TOO_LONG, and what the result rejects with
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    const { stdout } = this;
    if (stdout !== undefined) {
      try {
        yield* linesOf(stdout, this.#controller.maxLine);
      } catch (error) {
        // A loop over `engine.run(…)` has nothing else to end it by.
        this.kill();
        throw error;
      }
    }
    await this.#controller.result;
  }

  /** Ends the container if it still runs, and waits for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#controller.result.catch(() => undefined);
  }
}
