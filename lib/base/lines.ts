/**
 * Lines of text, the same everywhere: `\n` ends a line, and a `\r` right before it belongs to that end. Nothing else
 * ends one, neither a lone `\r` nor any of Unicode's separators.
 */
import { constants } from 'node:buffer';
import { CaissonError } from './errors.js';
import { invalid } from './check.js';
import { parseSize } from './units.js';

/** Bytes. */
export const DEFAULT_MAX_LINE = 1 << 20;

const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** Bytes that the beginning of a line takes at least. */
const LEAST_CAPACITY = 256;

/** @throws ERR_INVALID_OPTION */
export function normalizeMaxLine(value: number | string | undefined): number {
  if (value === undefined) return DEFAULT_MAX_LINE;
  const limit = parseSize('maxLine', value);
  if (limit < 1 || limit > constants.MAX_STRING_LENGTH)
    throw invalid('maxLine', value, `is not from 1 to ${constants.MAX_STRING_LENGTH} bytes`);
  return limit;
}

/** The lines of a text that is already there. The text's own last `\n` begins one more, empty line. */
export function splitLines(text: string): string[] {
  return text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
}

/** Splits a stream of chunks. It holds the beginning of one line, in at most twice the memory of that. */
export class LineSplitter {
  private rest = Buffer.alloc(0);
  private size = 0;

  /** @param limit bytes of a line, without its `\n` */
  constructor(private readonly limit: number) {}

  /**
   * The lines that these bytes end, one by one.
   *
   * @throws ERR_LINE_TOO_LONG, after the lines before the one that is too long
   */
  *push(bytes: Buffer): Generator<string, void, undefined> {
    let from = 0;
    for (;;) {
      const end = bytes.indexOf(NEWLINE, from);
      if (end < 0) break;
      if (this.size > 0) {
        this.keep(bytes, from, end);
        yield decode(this.rest, 0, withoutReturn(this.rest, 0, this.size));
        this.size = 0;
      } else {
        this.check(end - from);
        yield decode(bytes, from, withoutReturn(bytes, from, end));
      }
      from = end + 1;
    }
    this.keep(bytes, from, bytes.length);
  }

  /** The rest after the last line end; undefined if it is empty. */
  end(): string | undefined {
    if (this.size === 0) return undefined;
    const line = decode(this.rest, 0, this.size);
    this.size = 0;
    return line;
  }

  private check(size: number): void {
    if (size <= this.limit) return;
    throw new CaissonError('ERR_LINE_TOO_LONG', `a line has more than ${this.limit} bytes`, {
      path: 'maxLine',
      hint: 'allow longer lines with maxLine, or read the stream itself',
    });
  }

  private keep(bytes: Buffer, from: number, to: number): void {
    const size = this.size + to - from;
    this.check(size);
    if (size > this.rest.length) {
      const capacity = Math.min(this.limit, Math.max(LEAST_CAPACITY, 2 * size));
      const larger = Buffer.allocUnsafeSlow(capacity);
      this.rest.copy(larger, 0, 0, this.size);
      this.rest = larger;
    }
    bytes.copy(this.rest, this.size, from, to);
    this.size = size;
  }
}

function withoutReturn(bytes: Buffer, from: number, end: number): number {
  return end > from && bytes[end - 1] === RETURN ? end - 1 : end;
}

function decode(bytes: Buffer, from: number, to: number): string {
  return bytes.toString('utf8', from, to);
}

/**
 * The lines of a stream. Leaving the loop, or an error, destroys the stream.
 *
 * @param maxLine bytes
 * @throws ERR_LINE_TOO_LONG
 */
export async function* linesOf(
  source: AsyncIterable<Buffer | string>,
  maxLine = DEFAULT_MAX_LINE,
): AsyncGenerator<string, void, undefined> {
  const splitter = new LineSplitter(maxLine);
  for await (const chunk of source) {
    for (const line of splitter.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk))
      yield line;
  }
  const last = splitter.end();
  if (last !== undefined) yield last;
}
