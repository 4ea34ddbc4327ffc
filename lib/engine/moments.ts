/** Points in time as Docker's `--since` and `--until` take them (moby api/types/time). */
import { invalid } from './check.js';
import { parseDuration } from './units.js';

const UNIX = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/;
/** RFC 3339 and its beginnings; a space for the T, no zone: local time. */
const DATE =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d{2}:\d{2})?$/;

/**
 * Nanoseconds since 1970. `value` is a duration back from `now` (`10m`, `1h30m`), seconds since 1970 with
 * up to nine decimals, or a date. A number is seconds, a Date is itself.
 */
export function parseMoment(option: string, value: string | number | Date, now: Date): bigint {
  if (value instanceof Date) return fromMilliseconds(option, value, value.getTime());
  if (typeof value === 'number') return fromMilliseconds(option, value, value * 1000);
  if (typeof value !== 'string' || value === '') throw bad(option, value);
  const unix = UNIX.exec(value);
  if (unix !== null) {
    const fraction = BigInt((unix[2] ?? '').padEnd(9, '0'));
    const seconds = BigInt(unix[1] ?? '0') * 1_000_000_000n;
    return value.startsWith('-') ? seconds - fraction : seconds + fraction;
  }
  const date = DATE.exec(value);
  if (date !== null) return fromDate(option, value, date);
  const back = value.startsWith('-') || value.startsWith('+') ? value.slice(1) : value;
  let duration: number;
  try {
    duration = parseDuration(option, back);
  } catch {
    throw bad(option, value);
  }
  const sign = value.startsWith('-') ? -1 : 1;
  return fromMilliseconds(option, value, now.getTime() - sign * duration);
}

function bad(option: string, value: unknown): Error {
  return invalid(
    option,
    value,
    'is not a point in time',
    'such as 10m (ago), 2026-01-31T12:00:00Z, or seconds since 1970',
  );
}

function fromMilliseconds(option: string, value: unknown, time: number): bigint {
  if (!Number.isFinite(time) || Math.abs(time) > 8.64e15) throw bad(option, value);
  return BigInt(Math.round(time * 1000)) * 1000n;
}

function fromDate(option: string, value: string, match: RegExpExecArray): bigint {
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone] =
    match;
  const text = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  // Date rolls 31 April over; read as UTC it has to come back as it was.
  const utc = new Date(`${text}Z`);
  if (Number.isNaN(utc.getTime()) || utc.toISOString().slice(0, 19) !== text)
    throw bad(option, value);
  const time = new Date(`${text}${zone ?? ''}`).getTime();
  if (Number.isNaN(time)) throw bad(option, value);
  return BigInt(time) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

/** Of an ISO 8601 time in UTC with up to nine decimals, as state and logs have it. */
export function nanoseconds(iso: string): bigint {
  const match = /^(.{19})(?:\.(\d{1,9}))?Z$/.exec(iso);
  const time = Date.parse(`${match?.[1]}Z`);
  if (Number.isNaN(time)) throw new RangeError(`not a time: ${iso}`);
  return BigInt(time) * 1_000_000n + BigInt((match?.[2] ?? '').padEnd(9, '0'));
}
