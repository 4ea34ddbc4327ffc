/** Writes a log as a container's supervisor does, and as one does that is killed while it writes. */
import { closeSync, existsSync, fstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export interface Line {
  readonly stream: 'stdout' | 'stderr';
  readonly time: string;
  readonly bytes: Buffer;
}

export class LogWriter implements Disposable {
  private fd: number | undefined;

  constructor(
    readonly directory: string,
    /** Files in all. */
    readonly maxFile: number,
    /** Bytes; 0: rotates when it is told to. */
    readonly maxSize = 0,
  ) {}

  write(line: Line): void {
    this.append(Buffer.from(`${encode(line)}\n`));
  }

  append(bytes: Buffer): void {
    this.fd ??= openSync(this.path(0), 'a', 0o640);
    writeSync(this.fd, bytes);
    if (this.maxSize > 0 && fstatSync(this.fd).size >= this.maxSize) this.rotate();
  }

  /** @param between called between the steps, with each the number of the file that was just moved. */
  rotate(between: (moved: number) => void = () => undefined): void {
    this.close();
    for (let number = this.maxFile - 2; number >= 0; number--) {
      if (existsSync(this.path(number))) renameSync(this.path(number), this.path(number + 1));
      between(number);
    }
    if (this.maxFile === 1) rmSync(this.path(0), { force: true });
    this.fd = openSync(this.path(0), 'a', 0o640);
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private path(number: number): string {
    return join(this.directory, number === 0 ? 'json.log' : `json.log.${number}`);
  }
}

export function encode({ stream, time, bytes }: Line): string {
  const log = bytes.toString('utf8');
  const base64 = Buffer.from(log).equals(bytes) ? undefined : bytes.toString('base64');
  return JSON.stringify({ log, stream, time, base64 });
}
