/** What `attach` and `startAttached` return. */
import type { Readable, Writable } from 'node:stream';
import { linesOf } from '../../base/lines.js';
import { parseSignal } from '../../base/signals.js';
import type { Timeline } from '../../program/timeline.js';
import type { TerminalSize } from '../options/options.js';
import type { AttachController, AttachResult } from './attach-controller.js';

let make: (controller: AttachController) => Attached;

export function attachedOf(controller: AttachController): Attached {
  return make(controller);
}

/** A client of a running container: its streams, and a promise of how it ended or was left. */
export class Attached implements PromiseLike<AttachResult> {
  readonly #controller: AttachController;
  /**
   * Resolves when the program has been exec'ed, or, where it ran before, when all that it writes comes here;
   * rejects with why it does not.
   */
  readonly started: Promise<void>;

  static {
    make = (controller) => new Attached(controller);
  }

  private constructor(controller: AttachController) {
    this.#controller = controller;
    this.started = controller.started;
  }

  /** Undefined unless attached with `stdin`. */
  get stdin(): Writable | undefined {
    return this.#controller.stdin;
  }

  /** With a terminal everything is in stdout. It has to be read, because the container waits for that. */
  get stdout(): Readable | undefined {
    return this.#controller.stdout?.stream;
  }

  /** The same of standard error; undefined with a terminal. */
  get stderr(): Readable | undefined {
    return this.#controller.stderr?.stream;
  }

  /** How the start went, step by step; once it has ended, of a client that was there from the beginning. */
  get timeline(): Timeline | undefined {
    return this.#controller.timeline;
  }

  /**
   * Changes the terminal's size, in characters; without a terminal nothing happens.
   *
   * @example
   * const job = await engine.create('busybox', ['sh', '-c', 'read line; stty size'], { tty: true, openStdin: true });
   * const client = job.startAttached();
   * await client.started;
   * client.resize({ cols: 100, rows: 30 });
   * client.stdin?.write('\n');
   * for await (const line of client) console.log(line.trim()); // 30 100
   * await job.remove();
   */
  resize(size: TerminalSize): void {
    this.#controller.resize(size);
  }

  /**
   * Sends a signal to the program; KILL ends the container.
   *
   * @throws ERR_INVALID_OPTION: there is no such signal; ERR_CONTAINER_NOT_RUNNING
   *
   * @example
   * const client = box.attach();
   * await client.started;
   * await client.kill();
   * console.log((await client).exitCode); // 137
   */
  async kill(signal: string | number = 'SIGKILL'): Promise<void> {
    await this.#controller.target.kill(parseSignal('signal', signal));
  }

  /**
   * Leaves. The container runs on.
   *
   * @example
   * const client = box.attach();
   * await client.started;
   * client.detach();
   * console.log((await box.inspect()).status); // running
   */
  detach(): void {
    this.#controller.detach();
  }

  /** As of a promise of the result. */
  then<A = AttachResult, B = never>(
    onfulfilled?: ((value: AttachResult) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#controller.result.then(onfulfilled, onrejected);
  }

  /**
   * Lines of standard output, as they come. Leaving the loop detaches, and so does a line longer than `maxLine`.
   *
   * @throws ERR_LINE_TOO_LONG, and what the result rejects with
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    const { stdout } = this;
    if (stdout !== undefined) {
      let whole = false;
      try {
        yield* linesOf(stdout, this.#controller.maxLine);
        whole = true;
      } finally {
        if (!whole) this.detach();
      }
    }
    await this.#controller.result;
  }

  /** As `detach`. */
  [Symbol.asyncDispose](): Promise<void> {
    this.detach();
    return Promise.resolve();
  }
}
