/** Container ids: 32 random bytes in hex, and their first 12 digits. */
import { randomFillSync } from 'node:crypto';

const SIZE = 32;
const SHORT = 12;
const ALL_DECIMAL = /^\d+$/;

/** Random bytes drawn for many ids at once: a call for each costs more than the rest of a start's checks. */
const pool = Buffer.alloc(128 * SIZE);
let used = pool.length;

/**
 * 64 hex digits. Drawn again while the first 12 are all decimal, because a host name of digits alone is
 * taken for a number by some programs (moby stringid.GenerateRandomID).
 */
export function newId(): string {
  for (;;) {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    const id = pool.toString('hex', used, used + SIZE);
    // What was given away is not kept.
    pool.fill(0, used, (used += SIZE));
    if (!ALL_DECIMAL.test(shortId(id))) return id;
  }
}

export function shortId(id: string): string {
  return id.slice(0, SHORT);
}
