/** The engine's side of an attached client: its streams, its connection, and how it ends. */
import { Writable } from 'node:stream';
import type { Timeline } from '../../program/timeline.js';
import type { AttachedStreams } from '../options/attach-options.js';
import type { TerminalSize } from '../options/options.js';
import { signalName } from '../../base/signals.js';
import { Output } from '../start/streams.js';
import type { FirstClient } from './first-client.js';
import {
  ATTACH,
  type SupervisorConnection,
  type SupervisorListener,
} from './supervisor-connection.js';

/** How it ended, or was left. */
export interface AttachResult {
  /** The program's own; 128+n when signal n ended it; -1 when this client has left before. */
  readonly exitCode: number;
  /** `SIGKILL`, when a signal ended it. */
  readonly signal?: string | undefined;
  /** The kernel killed a process of the container for want of memory. */
  readonly oomKilled: boolean;
  /** This client has left; the container may run on. */
  readonly detached: boolean;
}

/** What a client needs of its container. */
export interface AttachTarget {
  kill(signal: number): Promise<void>;
  /** How it ended, when the supervisor has left without reporting it. */
  exit(): Promise<AttachResult>;
}

export class AttachController implements FirstClient {
  readonly started: Promise<void>;
  readonly result: Promise<AttachResult>;
  readonly stdin: Writable | undefined;
  readonly stdout: Output | undefined;
  readonly stderr: Output | undefined;
  /** Bytes. */
  readonly maxLine: number;
  draw: ((timestamps: Float64Array) => Timeline) | undefined;
  private connection: SupervisorConnection | undefined;
  private timestamps: Float64Array | undefined;
  /** Asked for before there was a connection. */
  private readonly sizes: TerminalSize[] = [];
  private over = false;
  private markConnected!: () => void;
  private readonly connected: Promise<void>;
  private markStarted!: () => void;
  private markFailed!: (error: unknown) => void;
  private resolve!: (result: AttachResult) => void;
  private reject!: (error: unknown) => void;

  constructor(
    readonly target: AttachTarget,
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
    if (stdout || (terminal && stderr)) this.stdout = new Output(1, 0, undefined);
    if (stderr && !terminal) this.stderr = new Output(2, 0, undefined);
    if (stdin) this.stdin = this.makeInput();
  }

  get timeline(): Timeline | undefined {
    return this.timestamps === undefined ? undefined : this.draw?.(this.timestamps);
  }

  get bits(): number {
    return (
      (this.stdin === undefined ? 0 : ATTACH.stdin) |
      (this.stdout === undefined ? 0 : ATTACH.stdout) |
      (this.stderr === undefined ? 0 : ATTACH.stderr)
    );
  }

  get listener(): SupervisorListener {
    return {
      started: () => this.markStarted(),
      attached: () => this.markStarted(),
      output: (stream, bytes) => this.output(stream)?.takeCopy(bytes),
      outputEnd: (stream) => this.output(stream)?.end(),
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
        if (!this.over) this.target.exit().then((exit) => this.end(exit), this.fail);
      },
    };
  }

  connect(connection: SupervisorConnection): void {
    this.connection = connection;
    const source = { pause: () => connection.pause(), resume: () => connection.resume() };
    this.stdout?.connect(source);
    this.stderr?.connect(source);
    // Each of them: a change of size and back makes a program draw its screen again.
    for (const { cols, rows } of this.sizes.splice(0)) connection.resize(cols, rows);
    this.markConnected();
  }

  resize(size: TerminalSize): void {
    if (this.over) return;
    if (this.connection === undefined) this.sizes.push(size);
    else this.connection.resize(size.cols, size.rows);
  }

  /** Leaves. The container runs on. */
  detach(): void {
    if (this.over) return;
    this.finish();
    this.connection?.close();
    this.resolve({ exitCode: -1, oomKilled: false, detached: true });
  }

  readonly fail = (error: unknown): void => {
    this.finish();
    this.endOutput();
    this.markFailed(error);
    this.reject(error);
  };

  private end(result: AttachResult): void {
    if (this.over) return;
    this.finish();
    this.markStarted();
    this.endOutput();
    this.resolve(result);
  }

  private endOutput(): void {
    this.connection?.close();
    this.stdout?.end();
    this.stderr?.end();
  }

  private finish(): void {
    this.over = true;
    this.markConnected();
    this.stdin?.destroy();
  }

  private output(stream: 1 | 2): Output | undefined {
    return stream === 1 ? this.stdout : this.stderr;
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
