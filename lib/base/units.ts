/** Docker's syntax for sizes, processors, durations and rates. */
import { invalid } from './check.js';

/** Bytes as a number, or Docker's spelling: `64m`, `1.5g`. */
export type Size = number | string;

const SIZE = /^(\d+(?:\.\d*)?|\.\d+) ?(?:([kmgtp])(?:i?b)?|b)?$/i;
const SHIFT: Readonly<Record<string, number>> = {
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
};

/**
 * A size in bytes, as Docker reads it (go-units `RAMInBytes`): an optional fraction, an optional unit of
 * `b k m g t p` in powers of 1024, optionally written `kb` or `kib`, in any case. A number is bytes.
 */
export function parseSize(option: string, value: number | string): number {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value))
      throw invalid(option, value, 'is not a whole number of bytes');
    if (value < 0) throw invalid(option, value, 'is negative');
    return value;
  }
  const match = typeof value === 'string' ? SIZE.exec(value) : null;
  if (match === null) {
    throw typeof value === 'string' && value.startsWith('-')
      ? invalid(option, value, 'is negative')
      : invalid(
          option,
          value,
          'is not a size',
          'write bytes, or a number with b, k, m, g, t or p: 64m, 1.5g',
        );
  }
  const bytes = Math.trunc(Number(match[1]) * (SHIFT[match[2]?.toLowerCase() ?? ''] ?? 1));
  if (!Number.isSafeInteger(bytes)) throw invalid(option, value, 'is too large');
  return bytes;
}

const DECIMAL = /^(\d*)(?:\.(\d*))?$/;

/** Processors in billionths (Docker's NanoCPUs), without passing through a binary fraction. */
export function parseCpus(option: string, value: number | string): number {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text === 'string' && text.startsWith('-')) throw invalid(option, value, 'is negative');
  const match = typeof text === 'string' && /\d/.test(text) ? DECIMAL.exec(text) : null;
  if (match === null)
    throw invalid(option, value, 'is not a number of processors', 'such as 0.5 or 2');
  const fraction = (match[2] ?? '').replace(/0+$/, '');
  if (fraction.length > 9) throw invalid(option, value, 'has more than nine decimals');
  const nano = Number(match[1] === '' ? 0 : match[1]) * 1e9 + Number(fraction.padEnd(9, '0'));
  if (!Number.isSafeInteger(nano)) throw invalid(option, value, 'is too large');
  return nano;
}

const DURATION_UNIT: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  // The micro sign and the Greek mu.
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const DURATION = /^\+?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const DURATION_PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** Milliseconds: a number of them, or a string in Go's syntax: `1m30s`, `500ms`. */
export function parseDuration(option: string, value: number | string): number {
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || value < 0)
      throw invalid(option, value, 'is not a time in milliseconds');
    return value;
  }
  if (typeof value !== 'string' || !DURATION.test(value)) {
    throw invalid(option, value, 'is not a duration', 'such as 500ms, 30s or 1m30s');
  }
  let total = 0;
  for (const [, amount, unit] of value.matchAll(DURATION_PART)) {
    total += Number(amount) * (DURATION_UNIT[unit ?? ''] ?? 0);
  }
  return total;
}

/** A device and its limit, still as a path. */
export interface PathRate {
  readonly path: string;
  /** Bytes or operations a second; more than 0. */
  readonly rate: number;
}

/** `/dev/sda:1m` or `{ path, rate }`. `bps` takes sizes, `iops` whole numbers. */
export function parseRate(
  option: string,
  value: string | { readonly path: string; readonly rate: number | string },
  kind: 'bps' | 'iops',
): PathRate {
  const colon = typeof value === 'string' ? value.lastIndexOf(':') : -1;
  const parts =
    typeof value !== 'string'
      ? value
      : colon > 0
        ? { path: value.slice(0, colon), rate: value.slice(colon + 1) }
        : undefined;
  if (typeof parts !== 'object' || parts === null || typeof parts.path !== 'string') {
    throw invalid(option, value, 'is not a device and a rate', 'such as /dev/sda:1m');
  }
  if (!parts.path.startsWith('/dev/') || parts.path.includes('\0')) {
    throw invalid(option, value, 'does not name a device below /dev');
  }
  if (kind === 'iops' && typeof parts.rate === 'string' && !/^\d+$/.test(parts.rate)) {
    throw invalid(option, value, 'is not a whole number of operations a second');
  }
  const rate = parseSize(option, parts.rate);
  if (rate === 0) throw invalid(option, value, 'has a rate of 0');
  return { path: parts.path, rate };
}
