/** Where the last lines of a log begin, found from its end. */
import { decodeLine } from './log-entry.js';
import { BLOCK, type RotatedFile } from './rotated-files.js';

const NEWLINE = 0x0a;

export interface LogFile {
  readonly file: RotatedFile;
  /** Bytes of it that count. */
  readonly end: number;
}

/**
 * Moves each file to its first line of the last `count`.
 *
 * Lines are counted as in Docker before anything is selected by stream or time. Unlike there, the pieces of a
 * long line that follow one another are one line, and damaged ones none.
 */
export async function seekTail(files: readonly LogFile[], count: number): Promise<void> {
  let lines = 0;
  let later: 'stdout' | 'stderr' | undefined;
  let full = false;
  for (const { file, end } of [...files].reverse()) {
    let start: number | undefined;
    if (!full) {
      for await (const { line, offset, next } of backwards(file, end)) {
        start ??= next;
        const entry = decodeLine(line)?.entry;
        if (entry === undefined) continue;
        const ofLater = entry.partial && entry.stream === later;
        if (!ofLater && lines === count) {
          full = true;
          break;
        }
        if (!ofLater) lines++;
        later = entry.stream;
        start = offset;
      }
    }
    // Nothing but a line without an end counts as new: it will be one when it is finished.
    file.seek(start ?? (full ? end : 0));
  }
}

interface Place {
  readonly line: Buffer;
  readonly offset: number;
  /** Where the line after it begins. */
  readonly next: number;
}

/** Finished lines, last first. */
async function* backwards(file: RotatedFile, end: number): AsyncGenerator<Place> {
  /** The bytes before the earliest line end seen, in reverse order of their pieces. */
  let pieces: Buffer[] = [];
  /** Where the line after `pieces` begins; undefined before the first line end. */
  let next: number | undefined;
  const lineOf = (): Buffer => Buffer.concat(pieces.reverse());
  for (let to = end; to > 0;) {
    const from = Math.max(0, to - BLOCK);
    const block = Buffer.allocUnsafe(to - from);
    const { bytesRead } = await file.handle.read(block, 0, block.length, from);
    if (bytesRead < block.length) return; // cut short meanwhile
    let stop = block.length;
    for (;;) {
      const newline = stop === 0 ? -1 : block.lastIndexOf(NEWLINE, stop - 1);
      if (newline === -1) break;
      if (next !== undefined) {
        pieces.push(block.subarray(newline + 1, stop));
        yield { line: lineOf(), offset: from + newline + 1, next };
      }
      next = from + newline + 1;
      pieces = [];
      stop = newline;
    }
    if (next !== undefined && stop > 0) pieces.push(block.subarray(0, stop));
    to = from;
  }
  if (next !== undefined && next > 0) yield { line: lineOf(), offset: 0, next };
}
