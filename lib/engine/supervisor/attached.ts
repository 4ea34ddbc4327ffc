/** A client of a running container: its streams, and a promise of how it ended or was left. */
import { type Readable, Writable } from 'node:stream';
import { invalid, isRecord } from '../../base/check.js';
import { signalName } from '../start/execution.js';
import { linesOf, normalizeMaxLine } from '../../base/lines.js';
import {
  ATTACH,
  type SupervisorConnection,
  type SupervisorListener,
} from './supervisor-connection.js';
import type { Size, TerminalSize } from '../options/options.js';
import { parseSignal } from '../../base/signals.js';
import type { Timeline } from '../../program/timeline.js';
import { Output } from '../start/streams.js';

/** Whether a stream is attached: `pipe` is true; `ignore` and `null` are false. */
export type AttachStream = boolean | 'pipe' | 'ignore' | 'null';

export interface AttachOptions {
  /** Default: true where the container has an input that stays open. */
  readonly stdin?: AttachStream | undefined;
  /** Default true. */
  readonly stdout?: AttachStream | undefined;
  /** Default true. */
  readonly stderr?: AttachStream | undefined;
  /** Bytes of a line when this is iterated over; a longer one is ERR_LINE_TOO_LONG. Default 1 MiB. */
  readonly maxLine?: Size | undefined;
}

export interface AttachedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Bytes. */
  readonly maxLine: number;
}

const NAMES = new Set(['stdin', 'stdout', 'stderr', 'maxLine']);

/** @throws ERR_INVALID_OPTION */
export function attachedStreams(options: AttachOptions): AttachedStreams {
  if (!isRecord(options)) throw invalid('options', options, 'is not an object');
  for (const key in options) {
    if (!NAMES.has(key))
      throw invalid(key, (options as Record<string, unknown>)[key], 'is not an option of attach');
  }
  const attaches = (name: 'stdin' | 'stdout' | 'stderr'): boolean => {
    const value = options[name] ?? true;
    if (typeof value === 'boolean') return value;
    if (value === 'pipe') return true;
    if (value === 'ignore' || value === 'null') return false;
    throw invalid(name, value, 'is not one of true, false, pipe, ignore');
  };
  return {
    stdin: attaches('stdin'),
    stdout: attaches('stdout'),
    stderr: attaches('stderr'),
    maxLine: normalizeMaxLine(options.maxLine),
  };
}

export interface AttachResult {
  /** The program's own; 128+n when signal n ended it; -1 when this client has left before. */
  readonly exitCode: number;
  readonly signal?: string | undefined;
  readonly oomKilled: boolean;
  /** This client has left; the container may run on. */
  readonly detached: boolean;
}

/** What an attachment needs of its container. */
export interface AttachedTo {
  kill(signal: number): Promise<void>;
  /** How it ended, when the supervisor has gone without a word. */
  exit(): Promise<AttachResult>;
}

export class Attached implements PromiseLike<AttachResult> {
  /**
   * Resolves when the program has been exec'ed, or, where it ran before, when all that it writes comes here;
   * rejects with why it does not.
   */
  readonly started: Promise<void>;
  private readonly result: Promise<AttachResult>;
  private readonly out: Output | undefined;
  private readonly err: Output | undefined;
  private readonly in_: Writable | undefined;
  private connection: SupervisorConnection | undefined;
  /** @internal By who started the container: makes a timeline of the supervisor's timestamps. */
  draw: ((timestamps: Float64Array) => Timeline) | undefined;
  private timestamps: Float64Array | undefined;
  /** From before there was a connection. */
  private readonly sizes: TerminalSize[] = [];
  private over = false;
  private readonly maxLine: number;
  private markConnected!: () => void;
  private readonly connected: Promise<void>;
  private markStarted!: () => void;
  private markFailed!: (error: unknown) => void;
  private resolve!: (result: AttachResult) => void;
  private reject!: (error: unknown) => void;

  /** @internal By `Container.attach` and `startAttached`. */
  constructor(
    private readonly container: AttachedTo,
    { stdin, stdout, stderr, maxLine }: AttachedStreams,
    terminal: boolean,
  ) {
    this.maxLine = maxLine;
    this.connected = new Promise((resolve) => (this.markConnected = resolve));
    this.started = new Promise((resolve, reject) => {
      this.markStarted = resolve;
      this.markFailed = reject;
    });
    this.started.catch(() => undefined);
    this.result = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.result.catch(() => undefined);
    if (stdout || (terminal && stderr)) this.out = new Output(1, 0, undefined);
    if (stderr && !terminal) this.err = new Output(2, 0, undefined);
    if (stdin) this.in_ = this.makeInput();
  }

  /** Undefined unless attached with `stdin`. */
  get stdin(): Writable | undefined {
    return this.in_;
  }

  /** With a terminal everything is in stdout. Who asks for it must read it: the container waits for that. */
  get stdout(): Readable | undefined {
    return this.out?.stream;
  }

  get stderr(): Readable | undefined {
    return this.err?.stream;
  }

  /** How the start went, step by step; once it has ended, of a client that was there from the beginning. */
  get timeline(): Timeline | undefined {
    return this.timestamps === undefined ? undefined : this.draw?.(this.timestamps);
  }

  /** Changes the terminal's size; without a terminal nothing happens. */
  resize(size: TerminalSize): void {
    if (this.over) return;
    if (this.connection === undefined) this.sizes.push(size);
    else this.connection.resize(size.cols, size.rows);
  }

  /** Sends a signal to the program; KILL ends the container. */
  async kill(signal: string | number = 'SIGKILL'): Promise<void> {
    await this.container.kill(parseSignal('signal', signal));
  }

  /** Leaves. The container runs on. */
  detach(): void {
    if (this.over) return;
    this.finish();
    this.connection?.close();
    this.resolve({ exitCode: -1, oomKilled: false, detached: true });
  }

  then<A = AttachResult, B = never>(
    onfulfilled?: ((value: AttachResult) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result.then(onfulfilled, onrejected);
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
        yield* linesOf(stdout, this.maxLine);
        whole = true;
      } finally {
        if (!whole) this.detach();
      }
    }
    await this.result;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.detach();
    return Promise.resolve();
  }

  // What follows is the container's side.

  /** @internal */
  get bits(): number {
    return (
      (this.in_ === undefined ? 0 : ATTACH.stdin) |
      (this.out === undefined ? 0 : ATTACH.stdout) |
      (this.err === undefined ? 0 : ATTACH.stderr)
    );
  }

  /** @internal */
  get listener(): SupervisorListener {
    return {
      started: () => this.markStarted(),
      attached: () => this.markStarted(),
      output: (stream, bytes) => (stream === 1 ? this.out : this.err)?.takeCopy(bytes),
      outputEnd: (stream) => (stream === 1 ? this.out : this.err)?.end(),
      exited: ({ code, signal, oomKills, timestamps }) => {
        this.timestamps = timestamps;
        this.end({
          exitCode: signal === 0 ? code : 128 + signal,
          signal: signal === 0 ? undefined : signalName(signal),
          oomKilled: oomKills > 0,
          detached: false,
        });
      },
      closed: () => {
        if (!this.over) this.container.exit().then((exit) => this.end(exit), this.fail);
      },
    };
  }

  /** @internal */
  connect(connection: SupervisorConnection): void {
    this.connection = connection;
    const source = { pause: () => connection.pause(), resume: () => connection.resume() };
    this.out?.connect(source);
    this.err?.connect(source);
    // Each of them: a change and back again is what makes a program draw its screen.
    for (const { cols, rows } of this.sizes.splice(0)) connection.resize(cols, rows);
    this.markConnected();
  }

  /** @internal */
  readonly fail = (error: unknown): void => {
    this.finish();
    this.connection?.close();
    this.out?.end();
    this.err?.end();
    this.markFailed(error);
    this.reject(error);
  };

  private end(result: AttachResult): void {
    if (this.over) return;
    this.finish();
    this.markStarted();
    this.connection?.close();
    this.out?.end();
    this.err?.end();
    this.resolve(result);
  }

  private finish(): void {
    this.over = true;
    this.markConnected();
    this.in_?.destroy();
  }

  private makeInput(): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, callback) => {
        void this.connected.then(() => {
          if (this.over || this.connection === undefined) callback();
          else this.connection.input(chunk, callback);
        });
      },
      final: (callback) => {
        void this.connected.then(() => {
          if (!this.over) this.connection?.inputEnd();
          callback();
        });
      },
    });
  }
}
