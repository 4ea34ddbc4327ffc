/**
 * Files that are appended to and rotated by rename: `json.log`, `json.log.1` …, `events`, `events.1`. They are
 * identified by device and inode, which cannot be reused while a descriptor is open, and never by name: a name can
 * belong to another file a moment later.
 */
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes read at once. */
export const BLOCK = 64 * 1024;

/** Longer lines were not written by caisson. A chunk of 16 KiB is at most 96 KiB in escapes, and 22 in base64. */
const MAX_LINE = 1 << 20;

const NEWLINE = 0x0a;

/** One of the files, read forwards line by line. */
export class RotatedFile implements AsyncDisposable {
  /** Where the next block begins. */
  private position = 0;
  /** The beginning of a line whose end has not been read yet. */
  private rest: Buffer[] = [];
  private restSize = 0;
  /** In the middle of a line that is too long. */
  private skipping = false;

  private constructor(
    readonly handle: FileHandle,
    readonly identity: BigIntStats,
  ) {}

  /** Undefined where there is no such file. */
  static async open(path: string): Promise<RotatedFile | undefined> {
    let handle: FileHandle;
    try {
      handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      return new RotatedFile(handle, await handle.stat({ bigint: true }));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  is(other: RotatedFile | BigIntStats): boolean {
    const { dev, ino } = other instanceof RotatedFile ? other.identity : other;
    return dev === this.identity.dev && ino === this.identity.ino;
  }

  /** Whether the path currently leads to this file. */
  async isAt(path: string): Promise<boolean> {
    const now = await statOf(path);
    return now !== undefined && this.is(now);
  }

  async size(): Promise<number> {
    return (await this.handle.stat()).size;
  }

  /** The position of the first line that has not been returned yet. */
  get offset(): number {
    return this.position - this.restSize;
  }

  /** Bytes of a line without an end so far. */
  get unfinished(): boolean {
    return this.restSize > 0;
  }

  seek(offset: number): void {
    this.position = offset;
    this.rest = [];
    this.restSize = 0;
    this.skipping = false;
  }

  /**
   * The lines of the next block, which may be none; an empty buffer stands for a line that is too long.
   * Undefined at the end of the file as it is now. A file that was cut short is read from its beginning.
   */
  async nextLines(): Promise<Buffer[] | undefined> {
    const block = Buffer.allocUnsafe(BLOCK);
    const { bytesRead } = await this.handle.read(block, 0, BLOCK, this.position);
    if (bytesRead === 0) {
      if (this.position === 0 || (await this.size()) >= this.position) return undefined;
      this.seek(0);
      return [];
    }
    this.position += bytesRead;
    const lines: Buffer[] = [];
    let from = 0;
    for (;;) {
      const end = block.indexOf(NEWLINE, from);
      if (end === -1 || end >= bytesRead) break;
      const piece = block.subarray(from, end);
      lines.push(
        this.skipping
          ? Buffer.alloc(0)
          : this.restSize === 0
            ? piece
            : Buffer.concat([...this.rest, piece]),
      );
      this.rest = [];
      this.restSize = 0;
      this.skipping = false;
      from = end + 1;
    }
    if (from < bytesRead) {
      const piece = block.subarray(from, bytesRead);
      this.restSize += piece.length;
      if (this.skipping || this.restSize > MAX_LINE) {
        this.skipping = true;
        this.rest = [];
      } else this.rest.push(piece);
    }
    return lines;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.handle.close();
  }
}

/** A writer that rotates more often than this while names are tried has files too small to be of use. */
const ATTEMPTS = 100;

/**
 * The files as they are now, oldest first; with `after`, only those that are newer than it. The caller closes
 * them.
 *
 * Names are tried from the newest to the oldest. A rotation moves files the same way, so that one which
 * is under way can show a file twice, or leave one name of the row free, but hides nothing. Of two, the
 * second can put a newer file behind an older one; then the newest is another, and all is looked at again.
 */
export async function openRotated(
  directory: string,
  base: string,
  after?: RotatedFile,
): Promise<RotatedFile[]> {
  for (let attempt = 1; ; attempt++) {
    const found: RotatedFile[] = [];
    try {
      const newest = await tryNames(directory, base, after, found);
      if (attempt === ATTEMPTS || (await isStill(join(directory, base), newest)))
        return found.reverse();
    } catch (error) {
      await closeAll(found);
      throw error;
    }
    await closeAll(found);
  }
}

async function closeAll(files: readonly RotatedFile[]): Promise<void> {
  for (const file of files) await file.handle.close();
}

/** Returns what the first name led to: an identity, since `after` itself is closed again. */
async function tryNames(
  directory: string,
  base: string,
  after: RotatedFile | undefined,
  found: RotatedFile[],
): Promise<BigIntStats | undefined> {
  let newest: BigIntStats | undefined;
  let missing = 0;
  let last = await highestNumber(directory, base);
  for (let number = 0; number <= last || missing < 2; number++) {
    const name = number === 0 ? base : `${base}.${number}`;
    const file = await RotatedFile.open(join(directory, name));
    if (file === undefined) {
      missing++;
      continue;
    }
    if (number === 0) newest = file.identity;
    missing = 0;
    last = Math.max(last, number + 1);
    const reached = after?.is(file) === true;
    if (reached || found.some((other) => other.is(file))) await file.handle.close();
    else found.push(file);
    if (reached) break;
  }
  return newest;
}

async function isStill(path: string, file: BigIntStats | undefined): Promise<boolean> {
  const now = await statOf(path);
  return now?.ino === file?.ino && now?.dev === file?.dev;
}

async function statOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Of the names that a listing shows: gaps do not end the row. */
async function highestNumber(directory: string, base: string): Promise<number> {
  const names = await readdir(directory).catch((): string[] => []);
  let highest = 0;
  for (const name of names) {
    if (!name.startsWith(`${base}.`)) continue;
    const end = name.slice(base.length + 1);
    if (/^[1-9]\d{0,5}$/.test(end)) highest = Math.max(highest, Number(end));
  }
  return highest;
}
