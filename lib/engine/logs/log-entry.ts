/** One object of a container's log: Docker's json-file format, with the bytes where they are not UTF-8. */
import { parseJson } from '../../base/storage.js';

/** A line of output, or a part of one. */
export interface LogEntry {
  /** Where it was written. */
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339, as stored: UTC, nanoseconds. */
  readonly time: string;
  /** With the newline, where it has one. */
  readonly bytes: Buffer;
  /** The line goes on: in the stream's next entry, or it is not finished. */
  readonly partial: boolean;
}

/**
 * What the line holds; undefined where that is nothing. A line that was torn by a crash has the next one's
 * beginning in it, which no text inside of an object can look like: quotes are escaped there.
 */
export function decodeLine(line: Buffer): { entry: LogEntry; damaged: boolean } | undefined {
  if (line.length === 0) return undefined;
  const entry = entryOf(line);
  if (entry !== undefined) return { entry, damaged: false };
  const start = line.lastIndexOf('{"log":');
  const rest = start > 0 ? entryOf(line.subarray(start)) : undefined;
  return rest === undefined ? undefined : { entry: rest, damaged: true };
}

function entryOf(line: Buffer): LogEntry | undefined {
  const value = parseJson(line.toString('utf8'));
  if (typeof value !== 'object' || value === null) return undefined;
  const { log, stream, time, base64 } = value as Record<string, unknown>;
  if (typeof log !== 'string' || typeof time !== 'string') return undefined;
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  const bytes = typeof base64 === 'string' ? Buffer.from(base64, 'base64') : Buffer.from(log);
  return { stream, time, bytes, partial: !log.endsWith('\n') };
}
