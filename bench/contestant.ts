/** What takes part in the bench: something that starts a program that does nothing, and says how long it took. */

/** One start, to exit, in microseconds. */
export interface Sample {
  readonly us: number;
  /** How long the JavaScript thread was busy with it, where there is one. */
  readonly jsUs?: number | undefined;
  /** The longest stretch for which nothing else could run on the JavaScript thread; measured in runs of its own. */
  readonly blockedUs?: number | undefined;
}

export interface Contestant {
  readonly name: string;
  /** At most so many starts back to back, for those that take long. */
  readonly slow?: boolean | undefined;
  /** Runs that many starts, pausing before each, and resolves to their times. */
  readonly run: (count: number, spacingMs: number) => Promise<readonly Sample[]>;
  /** The same, but with `blockedUs` and untrustworthy times. */
  readonly runBlocked?: ((count: number) => Promise<readonly Sample[]>) | undefined;
}
