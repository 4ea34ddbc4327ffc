/**
 * The standard streams of a container: usable from the moment `run` returns, connected to a descriptor when
 * the process has been launched.
 */
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { Readable, Writable } from 'node:stream';
import { Pieces, Slab } from './pieces.js';

/** How long to wait before a terminal that takes nothing is offered the rest again, in milliseconds. */
const TERMINAL_RETRY = 5;

/** Bytes that are kept for a reader before the program has to wait for it. */
const BUFFERED = 64 << 10;

/** Whatever delivers output, and can be asked to wait. Who has asked for something learns of the end at once. */
export interface Source {
  pause(stream: 1 | 2): void;
  resume(stream: 1 | 2): void;
}

/**
 * Output of a container: captured up to a limit, and a stream for whoever asks for it. Only a stream that was
 * asked for exerts back-pressure.
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
  /** Bytes that are taken whether anybody reads them or not. */
  private drainable = 0;
  private whenOver: (() => void) | undefined;
  /** More came than `limit`. */
  truncated = false;

  /**
   * @param number 1 for stdout, 2 for stderr.
   * @param limit bytes to capture; 0: none.
   * @param whose is killed when more comes and nobody reads it.
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
    else if (this.reader !== undefined) source.resume(this.number);
  }

  /** Nothing more will come. */
  end(): void {
    if (this.over) return;
    this.over = true;
    this.supply();
    // A monitor's connection has other news as well.
    if (this.wantsPause) this.source?.resume(this.number);
    this.source = undefined;
    this.whenOver?.();
  }

  /** The program has ended: what it has left in the pipe is taken out of it, whether anybody reads it or not. */
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
          // Nobody reads any more: let the container write into the void.
          this.pending.clear();
          this.resume();
          callback(error);
        },
      });
      this.pending.append(this.captured);
      this.supply();
      // Whoever delivers now tells the end at once.
      if (!this.over) this.source?.resume(this.number);
    }
    return this.reader;
  }

  /** Some output, in memory that is this stream's alone. */
  take(chunk: Buffer): void {
    const { limit, captured } = this;
    const reading = this.reader?.destroyed === false;
    const room = limit - captured.size;
    if (room > 0) captured.add(chunk.length <= room ? chunk : chunk.subarray(0, room));
    if (chunk.length > room && limit > 0) {
      this.truncated = true;
      if (!reading) this.whose?.kill();
    }
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

/** Whatever takes input and passes it on: a MonitorConnection. */
interface Sink {
  input(bytes: Buffer, written: () => void): void;
  inputEnd(): void;
}

/** Input of a container. What is written before the process exists waits for it; `end()` closes its stdin. */
export class Input extends Writable {
  private target: Socket | undefined;
  /** Once, when the pipe has been full. */
  private enlarge: (() => void) | undefined;
  private terminal: ((bytes: Uint8Array) => number) | undefined;
  private sink: Sink | undefined;
  private waiting: (() => void) | undefined;
  private closed_ = false;

  /** @param enlarge makes the pipe larger */
  attach(fd: number, enlarge: () => void): void {
    if (this.closed_ || this.destroyed) {
      new Socket({ fd, writable: true, readable: false }).destroy();
      return;
    }
    this.target = new Socket({ fd, readable: false, writable: true });
    this.enlarge = enlarge;
    // A program that does not read its input is not an error of who offered it.
    this.target.on('error', () => this.detach());
    this.resumeWaiting();
  }

  /** @param write how many of the bytes the terminal has taken, or a negated errno. */
  attachTerminal(write: (bytes: Uint8Array) => number): void {
    this.terminal = write;
    this.resumeWaiting();
  }

  /** A monitor passes it on. */
  attachMonitor(sink: Sink): void {
    this.sink = sink;
    this.resumeWaiting();
  }

  /** The process is gone: whatever is still written goes nowhere. */
  detach(): void {
    this.closed_ = true;
    this.terminal = undefined;
    this.sink = undefined;
    this.target?.destroy();
    this.resumeWaiting();
  }

  override _write(
    chunk: Buffer,
    _encoding: string,
    callback: (error?: Error | null) => void,
  ): void {
    if (this.closed_) callback();
    else if (this.target !== undefined) {
      if (this.target.destroyed) callback();
      else {
        this.target.write(chunk, () => callback());
        if (this.target.writableLength > 0) {
          this.enlarge?.();
          this.enlarge = undefined;
        }
      }
    } else if (this.terminal !== undefined) this.writeTerminal(chunk, callback);
    else if (this.sink !== undefined) this.sink.input(chunk, () => callback());
    else this.waiting = () => this._write(chunk, _encoding, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.target !== undefined && !this.target.destroyed) {
      this.target.end(() => callback());
    } else if (this.closed_ || this.terminal !== undefined) {
      callback();
    } else if (this.sink !== undefined) {
      this.sink.inputEnd();
      callback();
    } else {
      this.waiting = () => this._final(callback);
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.target?.destroy();
    callback(error);
  }

  private resumeWaiting(): void {
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.();
  }

  /** A terminal takes some KiB at a time and then says EAGAIN. */
  private writeTerminal(chunk: Buffer, callback: () => void): void {
    let rest = chunk;
    while (rest.length > 0 && this.terminal !== undefined) {
      const written = this.terminal(rest);
      if (written === -constants.errno.EAGAIN) {
        setTimeout(() => this.writeTerminal(rest, callback), TERMINAL_RETRY);
        return;
      }
      if (written <= 0) break; // it is gone
      rest = rest.subarray(written);
    }
    callback();
  }
}
