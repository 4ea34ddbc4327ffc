/** Points in time in the syntax of Docker's `--since` and `--until`; in nanoseconds since 1970, UTC. */
import { invalid } from './check.js';
import { parseDuration } from './units.js';

/** A Date, seconds since 1970, RFC 3339 (parts may be missing), or a Go duration before now: `10m`. */
export type TimeStamp = Date | number | string;

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?([Zz]|[+-]\d\d:\d\d)?$/;
const UNIX = /^(\d{1,12})(?:\.(\d{1,9}))?$/;
/** The last second that RFC 3339 can write: the end of the year 9999. */
const LAST_SECOND = 253_402_300_799;

/**
 * As moby's api/types/time does it: without a zone it is the local time, a duration is counted back from now
 * (forward with a minus sign), and `0` is 1970, not now.
 *
 * @param now milliseconds since 1970.
 * @throws ERR_INVALID_OPTION
 */
export function parseTimeStamp(option: string, value: TimeStamp, now = Date.now()): bigint {
  if (value instanceof Date) {
    const milliseconds = value.getTime();
    if (Number.isNaN(milliseconds)) throw invalid(option, 'Invalid Date', 'is not a time');
    return inRange(option, value.toISOString(), BigInt(Math.trunc(milliseconds)) * 1_000_000n);
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw invalid(option, String(value), 'is not a time');
    // A double has about 16 digits, which is enough for microseconds; finer digits are dropped.
    const whole = Math.floor(value);
    const micro = Math.round((value - whole) * 1e6);
    return inRange(option, value, BigInt(whole) * 1_000_000_000n + BigInt(micro) * 1000n);
  }
  if (typeof value !== 'string') throw invalid(option, value, 'is not a time');
  const unix = UNIX.exec(value);
  if (unix !== null) {
    const fraction = BigInt((unix[2] ?? '').padEnd(9, '0'));
    return inRange(option, value, BigInt(unix[1] ?? 0) * 1_000_000_000n + fraction);
  }
  if (/^\d{4}-/.test(value)) {
    const time = nanosecondsOf(value);
    if (time === undefined) throw invalid(option, value, 'is not a date and time', HINT);
    return inRange(option, value, time);
  }
  const forward = value.startsWith('-');
  const amount = forward ? value.slice(1) : value;
  if (!/^\d[\d.]*[a-zµ]/.test(amount)) throw invalid(option, value, 'is not a time', HINT);
  const ago = BigInt(Math.round(parseDuration(option, amount) * 1e6));
  return inRange(option, value, BigInt(now) * 1_000_000n + (forward ? ago : -ago));
}

/**
 * The end of a range that includes it. A Date, and a number that was made of one, name a whole millisecond, and what
 * happened within it is in the range: clocks of the kernel are finer than those of JavaScript.
 *
 * @throws ERR_INVALID_OPTION
 */
export function parseUntil(option: string, value: TimeStamp, now = Date.now()): bigint {
  const time = parseTimeStamp(option, value, now);
  const millisecond = typeof value !== 'string' && time % 1_000_000n === 0n;
  return millisecond ? time + 999_999n : time;
}

const HINT = 'such as 2026-01-31T08:00:00Z, 1769846400 or 10m';

function inRange(option: string, value: unknown, time: bigint): bigint {
  if (time < 0n || time > BigInt(LAST_SECOND) * 1_000_000_000n + 999_999_999n) {
    throw invalid(option, value, 'is not between the years 1970 and 9999');
  }
  return time;
}

/** RFC 3339, where all after the date may be missing; undefined for anything else. */
export function nanosecondsOf(text: string): bigint | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number((part as string | undefined) ?? 0));
  // 60 is a leap second, which the clock here does not have: the next one's first moment.
  // Date takes two digits for a year of the last century.
  if (year < 100) return undefined;
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return undefined;
  if (day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined;
  const zone = match[8];
  let seconds: number;
  if (zone === undefined) {
    seconds = new Date(year, month - 1, day, hour, minute, second).getTime() / 1000;
  } else {
    seconds = Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
    if (zone.length > 1) {
      const [hours = 0, minutes = 0] = zone.slice(1).split(':').map(Number);
      if (hours > 23 || minutes > 59) return undefined;
      seconds -= (zone.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60);
    }
  }
  return BigInt(seconds) * 1_000_000_000n + BigInt((match[7] ?? '').padEnd(9, '0'));
}

/** RFC 3339, UTC, always nine decimals: as in the log, and so that texts sort like times. */
export function formatTimeStamp(time: bigint): string {
  const seconds = time / 1_000_000_000n;
  const fraction = String(time % 1_000_000_000n).padStart(9, '0');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}
