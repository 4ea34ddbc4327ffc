/**
 * What caisson-archive reports: one line of JSON (cpp/archive/report.h). It comes from a process that reads untrusted
 * bytes, so it is read as untrusted, too.
 */
import { parseJson } from '../../base/storage.js';

/** Bytes. The helper writes no more than 8 MiB. */
export const LONGEST_REPORT = 9 << 20;

/** Paths are in the form of `pathBytes`. */
export interface LayerReport {
  readonly diffId: string;
  /** Bytes that were read. */
  readonly compressed: number;
  /** Bytes of the uncompressed archive. */
  readonly uncompressed: number;
  /** Entries that were written, without whiteouts. */
  readonly files: number;
  /** The sum of the sizes of files. */
  readonly bytes: number;
  /** Devices that were left out, since this user may make none. */
  readonly skipped: number;
  /** Directories that have something in them and that the archive does not contain; `.` is the root. */
  readonly implied: readonly string[];
}

export interface RefusalReport {
  /** A name of cpp/tar/refusal.cpp, or `killed`. */
  readonly kind: string;
  readonly detail: string;
  readonly errno?: number | undefined;
  readonly signal?: number | undefined;
  readonly path?: string | undefined;
}

/** Undefined for anything that is not a report. */
export function parseReport(text: string): LayerReport | RefusalReport | undefined {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  return 'kind' in fields ? parseRefusal(fields) : parseLayer(fields);
}

function parseRefusal(fields: Readonly<Record<string, unknown>>): RefusalReport | undefined {
  const { kind, detail, errno, signal, path } = fields;
  if (typeof kind !== 'string' || typeof detail !== 'string') return undefined;
  const number = (one: unknown) => (isCount(one) ? one : undefined);
  return {
    kind,
    // Details are texts like paths: spaces are escaped.
    detail: pathBytes(detail).toString('latin1'),
    errno: number(errno),
    signal: number(signal),
    // It is only shown: it may be one with `..`, which is why the archive is refused.
    path: typeof path === 'string' ? path : undefined,
  };
}

function parseLayer(fields: Readonly<Record<string, unknown>>): LayerReport | undefined {
  const { diffId, compressed, size, files, bytes, skipped, implied } = fields;
  if (typeof diffId !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(diffId)) return undefined;
  if (!isCount(compressed) || !isCount(size) || !isCount(files)) return undefined;
  if (!isCount(bytes) || !isCount(skipped) || !Array.isArray(implied)) return undefined;
  const paths = implied as readonly unknown[];
  if (!paths.every((path): path is string => typeof path === 'string' && isPath(path)))
    return undefined;
  const sorted = [...paths].sort();
  return { diffId, compressed, uncompressed: size, files, bytes, skipped, implied: sorted };
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;

/** Printable ASCII and `%XX`, relative, without `..`. */
function isPath(text: string): boolean {
  return /^(?:[!-$&-~]|%[0-9A-F]{2})+$/.test(text) && !text.split('/').includes('..');
}

/** The bytes of a path in which those that are not printable ASCII, and `%`, are `%XX`: a name need not be UTF-8. */
export function pathBytes(path: string): Buffer {
  const text = path.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))); // prettier-ignore
  return Buffer.from(text, 'latin1');
}

/** The same for people. */
export function pathText(path: string): string {
  return pathBytes(path).toString('utf8');
}
