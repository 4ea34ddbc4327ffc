/**
 * Many cases of one kind, each of which takes its time: a machine that is slow enough goes through every fifth, and the
 * table of docs/platforms.md says so. The loop of unit tests (scripts/test-unit.mjs) goes through every tenth; CI has all.
 */
import { slowness } from './slowness.js';

const STRIDE = Number(process.env['CAISSON_TEST_STRIDE'] ?? (slowness >= 10 ? 5 : 1));

/** What this process has gone through, of all that there is; the reporter of scripts/test-vm counts by file. */
export const sampled = { taken: 0, of: 0 };

/**
 * Those of the cases that are gone through here: all, or every so many.
 *
 * @param from where to begin: lists that are alike are best begun at different places.
 */
export function sample<T>(cases: readonly T[], from = 0): readonly T[] {
  const taken = cases.filter((_, i) => i % STRIDE === from % STRIDE);
  count(taken.length, cases.length);
  return taken;
}

/** How many of so many cases are gone through here: all, or a part of them. */
export function sampleSize(cases: number): number {
  const taken = Math.ceil(cases / STRIDE);
  count(taken, cases);
  return taken;
}

/** Tells of a sample that another process has taken. */
export function count(taken: number, of: number): void {
  sampled.taken += taken;
  sampled.of += of;
}
