/** Standard output and standard error for what is written bit by bit. */
import { fstatSync } from 'node:fs';
import { finished, type Readable, Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { OutputError, type OutputFd, writeAll } from './output.js';

/** If the disk becomes full, a write to a file is partial; Node's own stream treats it as complete. */
class FileSink extends Writable {
  constructor(private readonly fd: OutputFd) {
    super({ decodeStrings: true });
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    try {
      writeAll(this.fd, chunk);
    } catch (error) {
      done((error as OutputError).cause);
      return;
    }
    done();
  }
}

/** Standard output or standard error, for a sequence of writes. A slow reader delays the writer, but not signals. */
export class OutputStream {
  readonly stream: Writable;
  /** Rejects with an OutputError once something could not be written; never resolves. */
  readonly lost: Promise<never>;
  #error: OutputError | undefined;
  #giveUp: (() => void) | undefined;

  /** @param signal gives up what is being written. */
  constructor(
    private readonly fd: OutputFd,
    signal?: AbortSignal,
  ) {
    const stats = fstatSync(fd);
    const isFile = stats.isFile() || (stats.isCharacterDevice() && !isatty(fd));
    this.stream = isFile ? new FileSink(fd) : fd === 1 ? process.stdout : process.stderr;
    this.lost = new Promise((_, reject) => {
      this.stream.on('error', (cause) => reject(this.#errorOf(cause)));
    });
    this.lost.catch(() => undefined);
    signal?.addEventListener('abort', () => this.#giveUp?.());
  }

  /** Resolves when it and everything before it has been written. */
  write(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#giveUp = resolve;
      this.stream.write(bytes, (cause) => {
        if (cause === undefined || cause === null) resolve();
        else reject(this.#errorOf(cause));
      });
    });
  }

  /** The first error has the reason. */
  #errorOf(cause: Error): OutputError {
    return (this.#error ??= new OutputError(this.fd, cause));
  }
}

export interface ShownOutput {
  /** Rejects with an OutputError once something could not be written; never resolves. */
  readonly lost: Promise<never>;
  /** Resolves when everything that the program wrote has been written. */
  shown(): Promise<void>;
}

/** Forwards the output of a program. */
export function showOutput(source: Readable, fd: OutputFd): ShownOutput {
  const output = new OutputStream(fd);
  const end = new Promise<void>((resolve) => {
    finished(source, { writable: false }, () => resolve());
  });
  source.pipe(output.stream, { end: false });
  return {
    lost: output.lost,
    async shown() {
      await Promise.race([end, output.lost]);
      await output.write('');
    },
  };
}
