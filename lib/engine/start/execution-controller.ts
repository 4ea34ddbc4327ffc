/** The engine's side of an execution: what it tells of the program, and what it is asked to do with it. */
import { constants } from 'node:os';
import { onAbort } from '../../base/abort-signals.js';
import { CaissonError } from '../../base/errors.js';
import { normalizeMaxLine } from '../../base/lines.js';
import { signalName } from '../../base/signals.js';
import type { Binding, NativeContainer } from '../../native/binding.js';
import type { PolicyReport } from '../../network/policy/denied.js';
import type { Timeline } from '../../program/timeline.js';
import { type ContainerConfig, normalizeMaxOutput } from '../options/config.js';
import type { RunOptions, TerminalSize } from '../options/options.js';
import { Result, type RunResult } from './run-result.js';
import { Input, Output, type Sink, type Source } from './streams.js';

const SIGKILL = constants.signals.SIGKILL;

/** Bytes: pipe(7), /proc/sys/fs/pipe-max-size. */
const LARGEST_PIPE = 1 << 20;

/** To a program that the addon or a supervisor has started. */
export interface Channel extends Source {
  signal(number: number): void;
  /** Asks for the event `started`. */
  watchStart?(): void;
  leave?(): void;
}

/** Takes the input of a program that a supervisor runs, and the size of its terminal. */
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
  /** What its policy has refused, if it has one. */
  readonly policy?: Promise<PolicyReport> | undefined;
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
  // A caller that does not wait for it learns of a failure from the result.
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

export class ExecutionController {
  readonly result: Promise<RunResult>;
  /** Bytes. */
  readonly maxLine: number;
  readonly stdin: Input | undefined;
  readonly stdout: Output | undefined;
  readonly stderr: Output | undefined;
  /** Of the container's first process, or of the program that `exec` has started; once it is known. */
  pid: number | undefined;
  /** Its end was asked for: by the caller, a limit, or a timeout. */
  killed = false;
  private readonly terminal: boolean;
  private begun = performance.now();
  private channel: Channel | undefined;
  private sendSize: ((size: TerminalSize) => void) | undefined;
  private pendingSize: TerminalSize | undefined;
  private pendingSignals: number[] | undefined;
  private endWait: ((error: Error) => void) | undefined;
  private over = false;
  private joins = false;
  private timedOut = false;
  private aborted = false;
  private timer: NodeJS.Timeout | undefined;
  private unlisten: (() => void) | undefined;
  /** How the start went, once that is known; a promise is made of it only when it is asked for. */
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
    if (stdout === 'pipe') this.stdout = new Output(1, limits.output, this);
    if (stderr === 'pipe' && !terminal) this.stderr = new Output(2, limits.output, this);
    if (stdin === 'pipe') this.stdin = new Input();
  }

  // ---- what the caller asks for

  get started(): Promise<void> {
    if (this.start === undefined) {
      this.start = defer();
      if (this.outcome === undefined) this.channel?.watchStart?.();
      else settle(this.start, this.outcome);
    }
    return this.start.promise;
  }

  kill(signal: number = SIGKILL): void {
    if (this.over) return;
    if (signal === SIGKILL) this.killed = true;
    if (this.channel === undefined) (this.pendingSignals ??= []).push(signal);
    else this.channel.signal(signal);
    if (this.killed) this.endWait?.(notStarted());
  }

  async detach(): Promise<void> {
    await this.started;
    if (!this.over) this.channel?.leave?.();
  }

  resize(size: TerminalSize): void {
    if (this.sendSize === undefined) this.pendingSize = size;
    else this.sendSize(size);
  }

  // ---- what the engine tells

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

  /** It has waited until now for what it is to do: what came before is not the caller's. */
  begin(options: Pick<ContainerConfig, 'timeout'>, signal: AbortSignal | undefined): void {
    this.begun = performance.now();
    this.acceptOutput();
    this.watch(options, signal);
  }

  /** What comes from now on is the caller's. */
  acceptOutput(): void {
    this.stdout?.divert(undefined);
    this.stderr?.divert(undefined);
  }

  /** Sets what ends a wait before the start when a KILL makes it needless. */
  whileWaiting(end: ((error: Error) => void) | undefined): void {
    this.endWait = end;
    if (this.killed) end?.(notStarted());
  }

  /** The caller waits for `started`. */
  get startWanted(): boolean {
    return this.start !== undefined;
  }

  /** It has been handed to the addon, or to a supervisor. */
  connect(channel: Channel, joins = false): void {
    this.joins = joins;
    this.channel = channel;
    this.stdout?.connect(channel);
    this.stderr?.connect(channel);
    // A KILL is sent again where the launch failed and this is another attempt.
    const signals = this.killed ? [SIGKILL] : this.pendingSignals;
    signals?.forEach((signal) => channel.signal(signal));
    this.pendingSignals = undefined;
  }

  /** It is run by a supervisor, whose first client this is. */
  connectSupervisor(connection: TerminalSink, channel: Channel): void {
    this.sendSize = ({ cols, rows }) => connection.resize(cols, rows);
    if (this.pendingSize !== undefined) this.sendSize(this.pendingSize);
    this.stdin?.attachSupervisor(connection);
    this.connect(channel);
  }

  /** Its standard input is a pipe. */
  connectInput(binding: Binding, container: NativeContainer): void {
    this.stdin?.attach(
      (parts) => binding.write(container, parts),
      () => binding.endInput(container),
    );
  }

  /** The pipe, which was full, takes more. */
  canWrite(): void {
    this.stdin?.canWrite();
  }

  hasWritten(stream: 1 | 2, chunk: Buffer): void {
    (stream === 1 ? this.stdout : this.stderr)?.take(chunk);
  }

  /** The same, of bytes in memory that is used for others as well. */
  hasSent(stream: 1 | 2, bytes: Buffer): void {
    (stream === 1 ? this.stdout : this.stderr)?.takeCopy(bytes);
  }

  hasClosed(stream: 1 | 2): void {
    (stream === 1 ? this.stdout : this.stderr)?.end();
  }

  /** What the terminal shows is stdout. */
  connectTerminal(binding: Binding, container: NativeContainer): void {
    this.sendSize = ({ cols, rows }) => binding.resize(container, cols, rows);
    if (this.pendingSize !== undefined) this.sendSize(this.pendingSize);
    this.stdin?.attachTerminal((parts) => binding.write(container, parts));
  }

  /** @param pid where it is known */
  hasStarted(pid?: number): void {
    this.pid ??= pid;
    this.startIs({});
  }

  hasFailed(error: unknown): void {
    this.finish();
    this.stdout?.end();
    this.stderr?.end();
    this.startIs({ error });
    this.rejectResult(error);
  }

  /** The program has ended; the result follows when its output has arrived. */
  hasEnded(ended: Ended): void {
    // Processes that an exec has forked may go on writing: until they end, or this one is killed.
    if (this.joins) this.stdin?.detach();
    else this.finish();
    if (ended.started) this.hasStarted();
    else {
      this.startIs({ error: notStarted() });
    }
    const durationMs = performance.now() - this.begun;
    const { stdout: out, stderr: err } = this;
    // A terminal that was never made has no end either.
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

  private resolve(ended: Ended, durationMs: number): void {
    if (this.joins) this.finish();
    if (ended.policy === undefined) return this.resolveWith(ended, durationMs);
    ended.policy.then((network) => this.resolveWith(ended, durationMs, network), this.rejectResult);
  }

  private resolveWith(
    { code, signal, oomKills, timeline }: Ended,
    durationMs: number,
    network?: PolicyReport,
  ): void {
    const { id, stdout, stderr, timedOut, aborted } = this;
    const detached = code < 0 && signal === 0;
    this.resolveResult(
      new Result(
        id,
        detached ? 0 : signal === 0 ? code : 128 + signal,
        signal === 0 ? undefined : signalName(signal),
        stdout?.captured,
        stderr?.captured,
        oomKills > 0,
        timedOut,
        aborted,
        (stdout?.truncated ?? false) || (stderr?.truncated ?? false),
        detached,
        durationMs,
        timeline,
        network,
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
    this.stdin?.detach();
  }
}
