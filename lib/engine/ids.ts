/** Container ids: 32 random bytes in hex, and their first 12 digits. */
import { randomBytes } from 'node:crypto';

const SHORT = 12;
const ALL_DECIMAL = /^\d+$/;

/**
 * 64 hex digits. Drawn again while the first 12 are all decimal, because a host name of digits alone is
 * taken for a number by some programs (moby stringid.GenerateRandomID).
 */
export function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString('hex');
    if (!ALL_DECIMAL.test(shortId(id))) return id;
  }
}

export function shortId(id: string): string {
  return id.slice(0, SHORT);
}
