/** Where the last lines of a log begin, found from its end. */
import { decodeLine, type LogEntry } from './log-entry.js';
import { BLOCK, type RotatedFile } from '../../base/rotated-files.js';

const NEWLINE = 0x0a;

export interface LogFile {
  readonly file: RotatedFile;
  /** Bytes of it that count. */
  readonly end: number;
}

/** Where the entries of each stream begin that belong to the last lines, as offsets in one file. */
export type StreamStarts = Record<LogEntry['stream'], number>;

/**
 * Bytes in which the beginning of a line is looked for whose end is among the last lines, while the other stream has
 * gone on.
 */
const REACH = 4 << 20;

/**
 * Moves each file to its first entry of the last `count` lines. Between that and the end there may be entries of
 * other lines: those before their stream's start.
 *
 * Lines are counted as in Docker before anything is selected by stream or time. Unlike there, the pieces of a
 * long line are one line, also where the other stream has written between them, and damaged ones none. The last
 * lines are those that were written to last.
 */
export async function seekTail(
  files: readonly LogFile[],
  count: number,
): Promise<ReadonlyMap<RotatedFile, StreamStarts>> {
  const starts = new Map<RotatedFile, StreamStarts>();
  const tail = new Tail(count);
  for (const [age, { file, end }] of [...files].reverse().entries()) {
    let first: number | undefined;
    let own: StreamStarts | undefined;
    // The newest is looked at in any case: for where its last whole entry ends.
    if (age === 0 || !tail.complete) {
      for await (const { line, offset, next } of backwards(file, end)) {
        first ??= next;
        own ??= { stdout: first, stderr: first };
        const entry = decodeLine(line)?.entry;
        if (entry !== undefined && tail.takes(entry)) own[entry.stream] = offset;
        tail.passed += next - offset;
        if (tail.complete) break;
      }
    }
    if (own !== undefined) starts.set(file, own);
    // Nothing but a line without an end counts as new: it will be one when it is finished.
    file.seek(own === undefined ? (tail.complete ? end : 0) : Math.min(own.stdout, own.stderr));
  }
  return starts;
}

/** Which entries belong to the last lines, asked of the last entry first. */
class Tail {
  /** Bytes since the last line was counted. */
  passed = 0;
  private lines = 0;
  /** Streams of which the lines that count have begun, and those of which they are known whole. */
  private readonly begun = new Set<LogEntry['stream']>();
  private readonly whole = new Set<LogEntry['stream']>();

  constructor(private readonly count: number) {}

  get complete(): boolean {
    if (this.lines < this.count) return false;
    return this.passed > REACH || this.begun.size === this.whole.size;
  }

  takes({ stream, partial }: LogEntry): boolean {
    if (this.whole.has(stream)) return false;
    // A piece of the line that the stream's next entry ends.
    if (partial && this.begun.has(stream)) return true;
    if (this.lines === this.count) {
      if (this.begun.has(stream)) this.whole.add(stream);
      return false;
    }
    this.lines++;
    this.passed = 0;
    this.begun.add(stream);
    return true;
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
