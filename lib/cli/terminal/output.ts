/**
 * What a command writes to its own standard output and standard error, and what happens when that cannot be written.
 */
import { writeSync } from 'node:fs';

export type OutputFd = 1 | 2;

/**
 * Something could not be written. Commands catch it only to clean up: main reports it, or ends as by SIGPIPE if the
 * reader has closed the pipe.
 */
export class OutputError extends Error {
  constructor(
    readonly fd: OutputFd,
    override readonly cause: Error,
  ) {
    const { code } = cause as NodeJS.ErrnoException;
    super(`standard ${fd === 1 ? 'output' : 'error'} cannot be written: ${code ?? cause.message}`);
    this.name = 'OutputError';
  }

  /** The other end of the pipe or socket is closed. */
  get readerHasLeft(): boolean {
    return (this.cause as NodeJS.ErrnoException).code === 'EPIPE';
  }
}

/** All of it, before this returns. Throws an OutputError. */
export function writeAll(fd: OutputFd, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EAGAIN')
        throw new OutputError(fd, cause as Error);
      // Another process has made the pipe non-blocking, and it is full: its reader is slow.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
