import { readFileSync } from 'node:fs';

/**
 * The text of a file of /proc, /sys or /etc, undefined if it cannot be read. Synchronous: the kernel has it at hand, and by way of a
 * thread of libuv it would take ten times as long.
 */
export function smallFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
