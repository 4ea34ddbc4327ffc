/** What a mocha process (lane-reporter.ts) tells the process that prints the results of several (lanes.ts). */

/** What mocha prints of an error, with the differing values as texts already. */
export interface LaneError {
  readonly message: string;
  readonly stack: string;
  readonly uncaught?: boolean;
  readonly showDiff?: boolean;
  readonly actual?: string;
  readonly expected?: string;
  readonly cause?: LaneError;
}

/** A test, or a hook that failed. Titles are unique only together with the file; `id` is, within one process. */
export interface LaneTest {
  readonly id: string;
  readonly title: string;
  readonly titlePath: readonly string[];
  /** Milliseconds. */
  readonly duration: number;
  /** Milliseconds from which it counts as slow. */
  readonly slow: number;
}

export type LaneEvent =
  | { readonly kind: 'suite'; readonly title: string }
  | { readonly kind: 'suite end' }
  | { readonly kind: 'pass'; readonly test: LaneTest }
  | { readonly kind: 'pending'; readonly test: LaneTest; readonly reason: string }
  | { readonly kind: 'fail'; readonly test: LaneTest; readonly error: LaneError }
  | { readonly kind: 'end' };

/** At most so many causes of one error: they may form a circle. */
const MAX_CAUSES = 5;

export function toLaneError(thrown: unknown, causes = 0): LaneError {
  if (!(thrown instanceof Error)) return { message: String(thrown), stack: String(thrown) };
  const { uncaught, showDiff, actual, expected } = thrown as Error & Record<string, unknown>;
  return {
    message: thrown.message,
    stack: thrown.stack ?? thrown.message,
    ...(uncaught === true ? { uncaught } : {}),
    ...(typeof showDiff === 'boolean' ? { showDiff } : {}),
    ...(typeof actual === 'string' && typeof expected === 'string' ? { actual, expected } : {}),
    ...(thrown.cause !== undefined && causes < MAX_CAUSES
      ? { cause: toLaneError(thrown.cause, causes + 1) }
      : {}),
  };
}
