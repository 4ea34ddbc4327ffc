/**
 * The standard streams of a container: usable from the moment `run` returns, connected to a descriptor when
 * the process has been launched.
 */
import { write } from 'node:fs';
import { Socket } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { ReadStream } from 'node:tty';

/** How long to wait before a terminal that takes nothing is offered the rest again, in milliseconds. */
const TERMINAL_RETRY = 5;

/** Whatever delivers output, and can be asked to wait. */
interface Source {
  pause(): unknown;
  resume(): unknown;
}

/**
 * Output of a container: captured up to a limit, and a stream for whoever asks for it. Only a stream that was
 * asked for exerts back-pressure.
 */
export class Output {
  private chunks: Buffer[] = [];
  private captured = 0;
  private reader: Readable | undefined;
  private source: Source | undefined;
  private wantsPause = false;
  private over = false;
  private draining = false;
  private readonly ended: Promise<void>;
  private markEnded!: () => void;
  /** More came than `limit`. */
  truncated = false;

  /** @param limit bytes to capture; 0: none. @param onLimit called when more comes and nobody reads it. */
  constructor(
    private readonly limit: number,
    private readonly onLimit: () => void,
  ) {
    this.ended = new Promise((resolve) => (this.markEnded = resolve));
  }

  /** The process exists, and what it writes will be handed to `take`. */
  connect(source: Source): void {
    this.source = source;
    if (this.wantsPause) source.pause();
  }

  /** Reads a terminal's other end. */
  attachTerminal(fd: number): void {
    const source = new ReadStream(fd);
    this.connect(source);
    source.on('data', (chunk: Buffer) => this.take(chunk));
    // A terminal whose other end is gone reads as EIO; nothing that was written is lost by then.
    for (const event of ['end', 'error', 'close']) {
      source.once(event, () => {
        source.destroy();
        this.end();
      });
    }
  }

  /** Nothing more will come. */
  end(): void {
    if (this.over) return;
    this.over = true;
    this.reader?.push(null);
    this.source = undefined;
    this.markEnded();
  }

  /**
   * Nobody writes any more: what is still in the pipe, which is not much, is taken out of it, whether
   * anybody reads it or not.
   */
  drain(): void {
    this.draining = true;
    this.resume();
  }

  /** Resolves when everything that was written has arrived. */
  whenEnded(): Promise<void> {
    return this.ended;
  }

  get stream(): Readable {
    if (this.reader === undefined) {
      const reader = new Readable({
        read: () => this.resume(),
        destroy: (error, callback) => {
          // Nobody reads any more: let the container write into the void.
          this.resume();
          callback(error);
        },
      });
      this.reader = reader;
      for (const chunk of this.chunks) reader.push(chunk);
      if (this.over) reader.push(null);
    }
    return this.reader;
  }

  /** What was captured, as text. */
  text(): string {
    const [only] = this.chunks;
    if (only === undefined) return '';
    return (this.chunks.length === 1 ? only : Buffer.concat(this.chunks)).toString('utf8');
  }

  private resume(): void {
    if (!this.wantsPause) return;
    this.wantsPause = false;
    this.source?.resume();
  }

  /** Some output. */
  take(chunk: Buffer): void {
    const { limit } = this;
    const reader = this.reader?.destroyed === false ? this.reader : undefined;
    const room = limit - this.captured;
    if (room > 0) {
      const part = chunk.length <= room ? chunk : chunk.subarray(0, room);
      this.chunks.push(part);
      this.captured += part.length;
    }
    if (chunk.length > room && limit > 0) {
      this.truncated = true;
      if (reader === undefined) this.onLimit();
    }
    if (reader?.push(chunk) === false && !this.over && !this.draining) {
      this.wantsPause = true;
      this.source?.pause();
    }
  }
}

/** Input of a container. What is written before the process exists waits for it; `end()` closes its stdin. */
export class Input extends Writable {
  private target: Socket | undefined;
  private terminal: number | undefined;
  private waiting: (() => void) | undefined;
  private closed_ = false;

  attach(fd: number): void {
    if (this.closed_ || this.destroyed) {
      new Socket({ fd, writable: true, readable: false }).destroy();
      return;
    }
    this.target = new Socket({ fd, readable: false, writable: true });
    // A program that does not read its input is not an error of who offered it.
    this.target.on('error', () => this.detach());
    this.resumeWaiting();
  }

  /** A terminal's descriptor, which belongs to the stream that reads it. */
  attachTerminal(fd: number): void {
    this.terminal = fd;
    this.resumeWaiting();
  }

  /** The process is gone: whatever is still written goes nowhere. */
  detach(): void {
    this.closed_ = true;
    this.terminal = undefined;
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
      else this.target.write(chunk, () => callback());
    } else if (this.terminal !== undefined) this.writeTerminal(chunk, callback);
    else this.waiting = () => this._write(chunk, _encoding, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.target !== undefined && !this.target.destroyed) {
      this.target.end(() => callback());
    } else if (this.closed_ || this.terminal !== undefined) {
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

  /** A terminal takes a few KiB at a time and then says EAGAIN. */
  private writeTerminal(chunk: Buffer, callback: () => void): void {
    const fd = this.terminal;
    if (fd === undefined) {
      callback();
      return;
    }
    write(fd, chunk, 0, chunk.length, null, (error, written) => {
      if (error === null) {
        if (written < chunk.length) this.writeTerminal(chunk.subarray(written), callback);
        else callback();
      } else if (error.code === 'EAGAIN') {
        setTimeout(() => this.writeTerminal(chunk, callback), TERMINAL_RETRY);
      } else {
        callback();
      }
    });
  }
}
