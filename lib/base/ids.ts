/** Ids of containers and networks: 32 random bytes in hex, and their first 12 digits. */
import { randomBytes } from 'node:crypto';

const SIZE = 32;
const SHORT = 12;
const ALL_DECIMAL = /^\d+$/;

/** Ids made in advance: one at a time they would cost more than the rest of a start's checks. */
const pool: string[] = [];
const AT_ONCE = 64;

/** 64 hex digits. */
export function newId(): string {
  for (;;) {
    const id = pool.pop();
    if (id !== undefined) return id;
    fill();
  }
}

/**
 * The first 12 digits are never all decimal, because some programs take a host name of digits alone for a number (moby
 * stringid.GenerateRandomID).
 */
function fill(): void {
  const hex = randomBytes(AT_ONCE * SIZE).toString('hex');
  for (let at = 0; at < hex.length; at += 2 * SIZE) {
    const id = hex.slice(at, at + 2 * SIZE);
    if (!ALL_DECIMAL.test(shortId(id))) pool.push(id);
  }
}

export function shortId(id: string): string {
  return id.slice(0, SHORT);
}

export function isLongId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** Whether it can be the beginning of an id, or all of one. */
export function isIdPrefix(text: string): boolean {
  return /^[0-9a-f]{1,64}$/.test(text);
}
