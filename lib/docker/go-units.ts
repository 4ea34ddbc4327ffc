/** Human-readable times, sizes and percentages in Docker's format (github.com/docker/go-units). */

const DECIMAL_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'] as const;
const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'] as const;

/** go-units HumanDuration: `Less than a second`, `5 minutes`, `About an hour`. Negative times count as zero. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(milliseconds / 60_000);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const exactHours = milliseconds / 3_600_000;
  const hours = Math.trunc(exactHours + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(Math.trunc(exactHours) / 24 / 365)} years`;
}

/**
 * Powers of 1000: `0B`, `1.09kB`, `12.3MB`. A value that would be rounded up to 1000 gets the next unit,
 * where go-units prints `1e+03kB`.
 */
export function humanSize(bytes: number, digits = 3): string {
  return withUnit(bytes, 1000, digits, DECIMAL_UNITS);
}

/** Powers of 1024: `64MiB`, `1.465GiB`. */
export function bytesSize(bytes: number): string {
  return withUnit(bytes, 1024, 4, BINARY_UNITS);
}

function withUnit(bytes: number, base: number, digits: number, units: readonly string[]): string {
  let size = bytes;
  let unit = 0;
  while (unit < units.length - 1 && size >= base) {
    size /= base;
    unit++;
  }
  let rounded = Number(size.toPrecision(digits));
  if (base === 1000 && rounded === base && unit < units.length - 1) {
    rounded = 1;
    unit++;
  }
  return `${rounded}${units[unit] ?? ''}`;
}

/** As in `stats`: two decimals; `--` if unknown. */
export function percentage(share: number | undefined): string {
  return share === undefined || !Number.isFinite(share) ? '--' : `${share.toFixed(2)}%`;
}
