/**
 * The standard streams of a container: usable from the moment `run` returns, connected to a descriptor when
 * the process has been launched.
 */
import { constants } from 'node:os';
import { Readable, Writable } from 'node:stream';
import { Pieces, Slab } from '../../base/pieces.js';

/** How long to wait before a terminal that takes nothing is offered the rest again, in milliseconds. */
const TERMINAL_RETRY = 5;

/** Bytes that are kept for a reader before the program has to wait for it. */
const BUFFERED = 64 << 10;

/** A source of output that can be paused. It reports the end at once to a stream that was asked for. */
export interface Source {
  pause(stream: 1 | 2): void;
  resume(stream: 1 | 2): void;
  /** What comes from now on is not captured. */
  passOn?(stream: 1 | 2): void;
}

/**
 * Output of a container: captured up to a limit, and a stream for the caller that asks for it. Only a
 * stream that was asked for exerts back-pressure.
 *
 * What is captured, and what a reader has not taken yet, takes the memory of its bytes, in however small parts the
 * program writes: it is kept in `Pieces`.
 */
export class Output {
  /** What was captured. */
  readonly captured = new Pieces();
  private reader: Readable | undefined;
  /** What the reader has not asked for yet. */
  private readonly pending = new Pieces();
  /** It takes one part more. */
  private asked = true;
  private slab: Slab | undefined;
  private source: Source | undefined;
  private wantsPause = false;
  /** Everything that was written has arrived. */
  over = false;
  /** Bytes that are taken whether they are read or not. */
  private drainable = 0;
  private passing = false;
  private whenOver: (() => void) | undefined;
  /** More came than `limit`. */
  truncated = false;
  private diverted: ((bytes: Buffer) => void) | undefined;

  /**
   * @param number 1 for stdout, 2 for stderr.
   * @param limit bytes to capture; 0: none.
   * @param whose is killed when more comes and the stream has no reader
   */
  constructor(
    private readonly number: 1 | 2,
    private readonly limit: number,
    private readonly whose: { kill(): void } | undefined,
  ) {}

  /** The process exists, and what it writes will be handed to `take`. */
  connect(source: Source): void {
    this.source = source;
    if (this.wantsPause) source.pause(this.number);
    else if (this.reader !== undefined || this.diverted !== undefined) source.resume(this.number);
  }

  /** @param to gets what comes in place of the caller; undefined: from now on it is the caller's again */
  divert(to: ((bytes: Buffer) => void) | undefined): void {
    this.diverted = to;
    if (to !== undefined && !this.over) this.source?.resume(this.number);
  }

  /** Nothing more will come. */
  end(): void {
    if (this.over) return;
    this.over = true;
    this.supply();
    // A supervisor's connection has other news as well.
    if (this.wantsPause) this.source?.resume(this.number);
    this.source = undefined;
    this.whenOver?.();
  }

  /** The program has ended: the rest of the pipe's contents is read, whether or not the stream has a reader. */
  drain(atMost: number): void {
    this.drainable = atMost;
    this.resume();
  }

  /** Calls back when everything that was written has arrived; never, if it has. */
  onEnd(callback: () => void): void {
    this.whenOver = callback;
  }

  get stream(): Readable {
    if (this.reader === undefined) {
      this.reader = new Readable({
        // One part at a time: what is not asked for is joined with its neighbours.
        highWaterMark: 1,
        read: () => {
          this.asked = true;
          this.supply();
        },
        destroy: (error, callback) => {
          // The reader has left: what the container writes from now on is dropped.
          this.pending.clear();
          this.resume();
          callback(error);
        },
      });
      this.pending.append(this.captured);
      this.supply();
      // From now on the source reports the end at once.
      if (!this.over) this.source?.resume(this.number);
    }
    return this.reader;
  }

  /** Some output, in memory that is this stream's alone. */
  take(chunk: Buffer): void {
    if (this.diverted !== undefined) return this.diverted(chunk);
    const { limit, captured } = this;
    const reading = this.reader?.destroyed === false;
    const room = limit - captured.size;
    if (room > 0) captured.add(chunk.length <= room ? chunk : chunk.subarray(0, room));
    if (chunk.length > room) this.passOn(reading);
    if (!reading) return;
    this.pending.add(chunk);
    this.supply();
    const { size } = this.pending;
    if (size >= BUFFERED && !this.over && (this.drainable -= chunk.length) <= 0) {
      this.wantsPause = true;
      this.source?.pause(this.number);
    }
  }

  /** Some output, in memory that others use as well. */
  takeCopy(bytes: Buffer): void {
    this.slab ??= new Slab();
    for (const part of this.slab.copy(bytes)) this.take(part);
  }

  /** More has come than is captured. */
  private passOn(reading: boolean): void {
    if (this.limit > 0) {
      this.truncated = true;
      if (!reading) this.whose?.kill();
    }
    if (this.passing) return;
    this.passing = true;
    this.source?.passOn?.(this.number);
  }

  /** Gives the reader what it has asked for. */
  private supply(): void {
    const { reader, pending } = this;
    if (reader === undefined || reader.destroyed) return;
    while (this.asked && pending.size > 0) {
      this.asked = false;
      reader.push(pending.shift());
    }
    if (pending.size > 0) return;
    if (this.over) reader.push(null);
    else this.resume();
  }

  private resume(): void {
    if (!this.wantsPause) return;
    this.wantsPause = false;
    this.source?.resume(this.number);
  }
}

/** Whatever takes input and passes it on: the connection to a supervisor. */
export interface Sink {
  input(bytes: Buffer, written: () => void): void;
  inputEnd(): void;
}

/** How many of the bytes have been taken, or a negated errno: -EAGAIN, and `canWrite` when more of them will be. */
type Send = (parts: readonly Uint8Array[]) => number;

/** Input of a container. What is written before the process exists waits for it; `end()` closes its stdin. */
export class Input extends Writable {
  private send: Send | undefined;
  private close_: (() => void) | undefined;
  /** A terminal does not say when it takes more. */
  private asks = false;
  private sink: Sink | undefined;
  private waiting: (() => void) | undefined;
  private closed_ = false;

  /** @param close ends it for the program */
  attach(send: Send, close: () => void): void {
    if (this.closed_ || this.destroyed) return close();
    this.send = send;
    this.close_ = close;
    this.canWrite();
  }

  attachTerminal(send: Send): void {
    this.send = send;
    this.asks = true;
    this.canWrite();
  }

  /** A supervisor passes it on. */
  attachSupervisor(sink: Sink): void {
    this.sink = sink;
    this.canWrite();
  }

  /** The program no longer reads it: what is still written is dropped. */
  detach(): void {
    this.closed_ = true;
    this.close_?.();
    this.close_ = undefined;
    this.send = undefined;
    this.sink = undefined;
    this.canWrite();
  }

  /** What has been waiting is tried again. */
  canWrite(): void {
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.();
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.pass([chunk], callback);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], callback: () => void): void {
    this.pass(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: () => void): void {
    if (this.closed_ || this.send !== undefined) {
      this.close_?.();
      callback();
    } else if (this.sink !== undefined) {
      this.sink.inputEnd();
      callback();
    } else {
      this.waiting = () => this._final(callback);
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.close_?.();
    callback(error);
  }

  private pass(parts: readonly Buffer[], callback: () => void): void {
    if (this.closed_) callback();
    else if (this.send !== undefined) this.sendAll(this.send, parts, callback);
    else if (this.sink !== undefined) {
      const { sink } = this;
      const last = parts.length - 1;
      parts.forEach((part, at) => sink.input(part, at === last ? callback : () => undefined));
    } else this.waiting = () => this.pass(parts, callback);
  }

  private sendAll(send: Send, parts: readonly Buffer[], callback: () => void): void {
    let rest = parts;
    while (rest.length > 0) {
      const sent = send(rest);
      if (sent === -constants.errno.EAGAIN) {
        this.waiting = () => this.pass(rest, callback);
        if (this.asks) setTimeout(() => this.canWrite(), TERMINAL_RETRY);
        return;
      }
      if (sent < 0) {
        // A program that does not read its input is not an error of the one that offers it.
        this.detach();
        break;
      }
      rest = without(rest, sent);
    }
    callback();
  }
}

/** What is left behind the first so many bytes. */
function without(parts: readonly Buffer[], size: number): readonly Buffer[] {
  let left = size;
  let at = 0;
  for (; at < parts.length && parts[at]!.length <= left; at++) left -= parts[at]!.length;
  if (left === 0) return parts.slice(at);
  return [parts[at]!.subarray(left), ...parts.slice(at + 1)];
}
