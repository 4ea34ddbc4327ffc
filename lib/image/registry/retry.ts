/** Which failures of a registry pass, and how long to wait for that. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CaissonError } from '../../base/errors.js';
import { aborted } from './registry-errors.js';

export interface RetryPolicy {
  /** Of one request, or of a download that makes no progress. */
  readonly attempts: number;
  /** Milliseconds before the second attempt; twice as long before each further one, and up to `longest`. */
  readonly delay: number;
  readonly longest: number;
  /** Milliseconds: a registry that wants a longer pause has a rate limit, which is reported instead. */
  readonly longestRetryAfter: number;
}

export const RETRIES: RetryPolicy = {
  attempts: 5,
  delay: 400,
  longest: 15_000,
  longestRetryAfter: 60_000,
};

/** Errors that may not occur again, with the pause that the registry has asked for, in milliseconds. */
const transient = new WeakMap<CaissonError, number>();

/** Marks an error as one that a second attempt may not meet. */
export function passing(error: CaissonError, retryAfter = 0): CaissonError {
  transient.set(error, retryAfter);
  return error;
}

export function isPassing(error: unknown): error is CaissonError {
  return error instanceof CaissonError && transient.has(error);
}

/**
 * Waits before attempt number `attempt` (2 is the first one after a failure), or throws the error, if it was the last
 * one or nothing is gained by another.
 *
 * @throws the error; ERR_ABORTED
 */
export async function waitToRetry(
  error: unknown,
  attempt: number,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<void> {
  const after = error instanceof CaissonError ? transient.get(error) : undefined;
  if (after === undefined || attempt > policy.attempts || after > policy.longestRetryAfter)
    throw error;
  const limit = Math.min(policy.longest, policy.delay * 2 ** (attempt - 2));
  // At random, so that clients that were interrupted together do not return together.
  const pause = Math.max(after, limit / 2 + (Math.random() * limit) / 2);
  try {
    await sleep(pause, undefined, signal === undefined ? {} : { signal });
  } catch {
    throw aborted();
  }
}

/** The value of Retry-After (RFC 9110, 10.2.3), in milliseconds; 0 if there is none. */
export function parseRetryAfter(value: string | undefined, now = Date.now()): number {
  if (value === undefined) return 0;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
