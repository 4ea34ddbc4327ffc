/** One `run`: a promise of its result, its streams, and an iterable of its lines. */
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import type { Binding, NativeContainer } from '../../native/binding.js';
import type { Timeline } from '../../program/timeline.js';
import { CaissonError } from '../../base/errors.js';
import { onAbort } from '../../base/abort-signals.js';
import { type ContainerConfig, normalizeMaxOutput } from '../options/config.js';
import { linesOf, normalizeMaxLine } from '../../base/lines.js';
import type { RunOptions, TerminalSize } from '../options/options.js';
import type { Pieces } from '../../base/pieces.js';
import { parseSignal } from '../../base/signals.js';
import { Input, Output, type Sink, type Source } from './streams.js';

export interface RunResult {
  /** Long id. */
  readonly id: string;
  /** The program's own; 128+n when signal n ended it. */
  readonly exitCode: number;
  /** `SIGKILL`, when a signal ended it. */
  readonly signal?: string | undefined;
  /** What was captured, up to `maxOutput`. With a terminal everything is in `stdout`. */
  readonly stdout: string;
  readonly stderr: string;
  /** The kernel killed a process of the container for want of memory. */
  readonly oomKilled: boolean;
  /** `timeout` ended it. */
  readonly timedOut: boolean;
  /** The AbortSignal ended it. */
  readonly aborted: boolean;
  /** More came than `maxOutput`; where nobody read the stream, that ended it. */
  readonly outputTruncated: boolean;
  /** How the start went, step by step. */
  readonly timeline: Timeline;
  /** Of `exec`: it goes on alone, as it was to from the start, or because `detach()` has left it. The exit code is 0. */
  readonly detached: boolean;
  /** Milliseconds from the call to the end. */
  readonly durationMs: number;
}

/** Of two names for one number the first is the usual one: SIGABRT, not SIGIOT. */
const SIGNAL_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** `SIGKILL` for 9; the number itself for what has no name. */
export function signalName(number: number): string {
  return SIGNAL_NAMES.get(number) ?? String(number);
}

const SIGKILL = constants.signals.SIGKILL;

/** Bytes: pipe(7), /proc/sys/fs/pipe-max-size. */
const LARGEST_PIPE = 1 << 20;

/** To what has been started, natively or by a supervisor. */
export interface Channel extends Source {
  signal(number: number): void;
  /** Somebody waits for the start. */
  watchStart?(): void;
  leave?(): void;
}

/** What takes the input of a program that a supervisor keeps, and the size of its terminal. */
export interface TerminalSink extends Sink {
  resize(cols: number, rows: number): void;
}

/** What the engine tells an execution. */
export interface Ended {
  readonly code: number;
  readonly signal: number;
  readonly oomKills: number;
  /** The program was exec'ed. */
  readonly started: boolean;
  readonly timeline: () => Timeline;
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

function defer(): Deferred {
  let resolve!: () => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<void>((...both) => ([resolve, reject] = both));
  // Who does not wait for it learns of a failure from the result.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

function settle(deferred: Deferred, outcome: { readonly error?: unknown }): void {
  if ('error' in outcome) deferred.reject(outcome.error);
  else deferred.resolve();
}

function notStarted(): CaissonError {
  return new CaissonError(
    'ERR_ABORTED',
    'the container was killed before its program was started',
    { stage: 'container' },
  );
}

/** The limits of a run whose options may be wrong: then nothing will come, and the result says why. */
function outputLimits({ maxOutput, maxLine }: RunOptions): { output: number; line: number } {
  try {
    return { output: normalizeMaxOutput(maxOutput), line: normalizeMaxLine(maxLine) };
  } catch {
    return { output: 0, line: 0 };
  }
}

/** Bytes: of what is longer the text is made when it is asked for. Most often a reader has had it before. */
const DECODED_AT_ONCE = 64 << 10;

/** Makes a result's `name` the text of what was captured, when it is asked for. */
function decodeLater(result: RunResult, name: 'stdout' | 'stderr', captured?: Pieces): void {
  let pieces = captured;
  let text = '';
  const get = () => {
    if (pieces !== undefined) text = pieces.text();
    pieces = undefined;
    return text;
  };
  Object.defineProperty(result, name, { enumerable: true, get });
}

function isLarge(captured: Pieces | undefined): boolean {
  return captured !== undefined && captured.size > DECODED_AT_ONCE;
}

class Result implements RunResult {
  declare readonly stdout: string;
  declare readonly stderr: string;
  #timeline: Timeline | (() => Timeline);

  constructor(
    readonly id: string,
    readonly exitCode: number,
    readonly signal: string | undefined,
    stdout: Pieces | undefined,
    stderr: Pieces | undefined,
    readonly oomKilled: boolean,
    readonly timedOut: boolean,
    readonly aborted: boolean,
    readonly outputTruncated: boolean,
    readonly detached: boolean,
    readonly durationMs: number,
    draw: () => Timeline,
  ) {
    // As plain properties, which cost a start nothing, wherever that is no waste.
    if (isLarge(stdout)) decodeLater(this, 'stdout', stdout);
    else this.stdout = stdout?.text() ?? '';
    if (isLarge(stderr)) decodeLater(this, 'stderr', stderr);
    else this.stderr = stderr?.text() ?? '';
    this.#timeline = draw;
  }

  get timeline(): Timeline {
    if (typeof this.#timeline === 'function') this.#timeline = this.#timeline();
    return this.#timeline;
  }
}

export class Execution implements PromiseLike<RunResult> {
  private readonly result: Promise<RunResult>;
  private readonly terminal: boolean;
  private readonly begun = performance.now();
  private readonly maxLine: number;
  private out: Output | undefined;
  private err: Output | undefined;
  private in_: Input | undefined;
  private channel: Channel | undefined;
  private sendSize: ((size: TerminalSize) => void) | undefined;
  private pendingSize: TerminalSize | undefined;
  private pendingSignals: number[] | undefined;
  private endWait: ((error: Error) => void) | undefined;
  private over = false;
  private joins = false;
  private killed_ = false;
  private pid_: number | undefined;
  private timedOut = false;
  private aborted = false;
  private timer: NodeJS.Timeout | undefined;
  private unlisten: (() => void) | undefined;
  /** How the start went, once that is known; made of it only when somebody asks. */
  private outcome: { readonly error?: unknown } | undefined;
  private start: Deferred | undefined;
  private resolveResult!: (result: RunResult) => void;
  private rejectResult!: (error: unknown) => void;

  constructor(
    /** Long id. */
    readonly id: string,
    options: RunOptions,
  ) {
    this.result = new Promise((resolve, reject) => {
      this.resolveResult = resolve;
      this.rejectResult = reject;
    });
    // The options have not been checked yet, and a mistake in them will reject the result.
    const terminal = (this.terminal = options.tty !== undefined && options.tty !== false);
    const { stdin = terminal ? 'pipe' : 'null', stdout = 'pipe', stderr = 'pipe' } = options;
    const limits = outputLimits(options);
    this.maxLine = limits.line;
    if (stdout === 'pipe') this.out = new Output(1, limits.output, this);
    if (stderr === 'pipe' && !terminal) this.err = new Output(2, limits.output, this);
    if (stdin === 'pipe') this.in_ = new Input();
  }

  /** Resolves when the program has been exec'ed; rejects with why it was not. */
  get started(): Promise<void> {
    if (this.start === undefined) {
      this.start = defer();
      if (this.outcome === undefined) this.channel?.watchStart?.();
      else settle(this.start, this.outcome);
    }
    return this.start.promise;
  }

  /**
   * Of the container's first process, or of the program that `exec` has started, as this process sees it. Known to who
   * has waited for `started`, and no longer that one's after the end.
   */
  get pid(): number | undefined {
    return this.pid_;
  }

  /** Undefined unless `stdin: 'pipe'`. Ending it closes the program's standard input. */
  get stdin(): Writable | undefined {
    return this.in_;
  }

  /** Undefined unless `stdout: 'pipe'`. Reading it applies back-pressure to the program. */
  get stdout(): Readable | undefined {
    return this.out?.stream;
  }

  get stderr(): Readable | undefined {
    return this.err?.stream;
  }

  /**
   * Sends a signal to the program, by name (`SIGTERM`, `TERM`) or number. KILL ends the whole container; of
   * `exec`, the program alone.
   */
  kill(signal: string | number = SIGKILL): void {
    const number = parseSignal('signal', signal);
    if (this.over) return;
    if (number === SIGKILL) this.killed_ = true;
    if (this.channel === undefined) (this.pendingSignals ??= []).push(number);
    else this.channel.signal(number);
    if (this.killed_) this.endWait?.(notStarted());
  }

  /**
   * Leaves what was started by `exec` with `detachable` to go on without this process, once it has been started: the
   * result is there then. Anything else goes on as it was.
   */
  async detach(): Promise<void> {
    await this.started;
    if (!this.over) this.channel?.leave?.();
  }

  /** Changes the terminal's size; without a terminal nothing happens. */
  resize(size: TerminalSize): void {
    if (this.sendSize === undefined) this.pendingSize = size;
    else this.sendSize(size);
  }

  then<A = RunResult, B = never>(
    onfulfilled?: ((value: RunResult) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result.then(onfulfilled, onrejected);
  }

  catch<B = never>(
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<RunResult | B> {
    return this.result.catch(onrejected);
  }

  finally(onfinally?: (() => void) | null): Promise<RunResult> {
    return this.result.finally(onfinally);
  }

  /**
   * Lines of standard output, as they come; then throws if the start failed. Who leaves the loop early reads
   * no more: the program writes on, into what is captured. A line longer than `maxLine` is an error, and ends the
   * program.
   *
   * @throws ERR_LINE_TOO_LONG, and what the result rejects with
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    const { stdout } = this;
    if (stdout !== undefined) {
      try {
        yield* linesOf(stdout, this.maxLine);
      } catch (error) {
        // Who loops over `engine.run(…)` has nothing else to end it by.
        this.kill();
        throw error;
      }
    }
    await this.result;
  }

  /** Ends the container if it still runs, and waits for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.result.catch(() => undefined);
  }

  // What follows is the engine's side.

  /** @internal */
  watch({ timeout }: Pick<ContainerConfig, 'timeout'>, signal: AbortSignal | undefined): void {
    if (timeout !== undefined) {
      const left = Math.max(0, timeout - (performance.now() - this.begun));
      this.timer = setTimeout(() => {
        this.timedOut = true;
        this.kill();
      }, left);
    }
    if (signal !== undefined) {
      const end = () => {
        this.aborted = true;
        this.kill();
      };
      if (signal.aborted) end();
      else this.unlisten = onAbort(signal, end);
    }
  }

  /** @internal What ends the wait for something that has to be known before the start, when a KILL makes it needless. */
  whileWaiting(end: ((error: Error) => void) | undefined): void {
    this.endWait = end;
    if (this.killed_) end?.(notStarted());
  }

  /** @internal Somebody asked for its end: the caller, a limit, a timeout. */
  get killed(): boolean {
    return this.killed_;
  }

  /** @internal Somebody waits for `started`. */
  get startWanted(): boolean {
    return this.start !== undefined;
  }

  /** @internal It has been handed to the native machine, or to a supervisor. */
  connect(channel: Channel, joins = false): void {
    this.joins = joins;
    this.channel = channel;
    this.out?.connect(channel);
    this.err?.connect(channel);
    // A KILL also again, where what it was for could not be launched, and this is another attempt.
    const signals = this.killed_ ? [SIGKILL] : this.pendingSignals;
    signals?.forEach((signal) => channel.signal(signal));
    this.pendingSignals = undefined;
  }

  /** @internal A supervisor keeps it, whose first client this is. */
  connectSupervisor(connection: TerminalSink, channel: Channel): void {
    this.sendSize = ({ cols, rows }) => connection.resize(cols, rows);
    if (this.pendingSize !== undefined) this.sendSize(this.pendingSize);
    this.in_?.attachSupervisor(connection);
    this.connect(channel);
  }

  /** @internal Its standard input is a pipe. */
  connectInput(binding: Binding, container: NativeContainer): void {
    this.in_?.attach(
      (parts) => binding.write(container, parts),
      () => binding.endInput(container),
    );
  }

  /** @internal The pipe, which was full, takes more. */
  canWrite(): void {
    this.in_?.canWrite();
  }

  /** @internal */
  hasWritten(stream: 1 | 2, chunk: Buffer): void {
    (stream === 1 ? this.out : this.err)?.take(chunk);
  }

  /** @internal The same, of bytes in memory that others use as well. */
  hasSent(stream: 1 | 2, bytes: Buffer): void {
    (stream === 1 ? this.out : this.err)?.takeCopy(bytes);
  }

  /** @internal */
  hasClosed(stream: 1 | 2): void {
    (stream === 1 ? this.out : this.err)?.end();
  }

  /** @internal What the terminal shows is stdout. */
  connectTerminal(binding: Binding, container: NativeContainer): void {
    this.sendSize = ({ cols, rows }) => binding.resize(container, cols, rows);
    if (this.pendingSize !== undefined) this.sendSize(this.pendingSize);
    this.in_?.attachTerminal((parts) => binding.write(container, parts));
  }

  /** @internal @param pid where it is known. */
  hasStarted(pid?: number): void {
    this.pid_ ??= pid;
    this.startIs({});
  }

  /** @internal */
  hasFailed(error: unknown): void {
    this.finish();
    this.out?.end();
    this.err?.end();
    this.startIs({ error });
    this.rejectResult(error);
  }

  /** @internal The program has ended; the result follows when its output has arrived. */
  hasEnded(ended: Ended): void {
    // What an exec has forked may go on and write: until it no longer does, or somebody has enough of it.
    if (this.joins) this.in_?.detach();
    else this.finish();
    if (ended.started) this.hasStarted();
    else {
      this.startIs({ error: notStarted() });
    }
    const durationMs = performance.now() - this.begun;
    const { out, err } = this;
    // A terminal that it did not come to make has no end either.
    if (this.terminal && this.sendSize === undefined) out?.end();
    // Behind what an exec itself has written comes what is still being written.
    const left = this.joins ? LARGEST_PIPE : Infinity;
    out?.drain(left);
    err?.drain(left);
    if (out?.over !== false && err?.over !== false) return this.resolve(ended, durationMs);
    const later = () => {
      if (out?.over !== false && err?.over !== false) this.resolve(ended, durationMs);
    };
    out?.onEnd(later);
    err?.onEnd(later);
  }

  private resolve({ code, signal, oomKills, timeline }: Ended, durationMs: number): void {
    if (this.joins) this.finish();
    const { id, out, err, timedOut, aborted } = this;
    const detached = code < 0 && signal === 0;
    this.resolveResult(
      new Result(
        id,
        detached ? 0 : signal === 0 ? code : 128 + signal,
        signal === 0 ? undefined : signalName(signal),
        out?.captured,
        err?.captured,
        oomKills > 0,
        timedOut,
        aborted,
        (out?.truncated ?? false) || (err?.truncated ?? false),
        detached,
        durationMs,
        timeline,
      ),
    );
  }

  private startIs(outcome: { readonly error?: unknown }): void {
    if (this.outcome !== undefined) return;
    this.outcome = outcome;
    if (this.start !== undefined) settle(this.start, outcome);
  }

  private finish(): void {
    this.over = true;
    if (this.timer !== undefined) clearTimeout(this.timer);
    this.unlisten?.();
    this.in_?.detach();
  }
}
