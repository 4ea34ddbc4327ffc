/** What takes part in the bench: something that starts a program, and says how long it took. */

/** One start, to the program's exit or, detached, until it runs; in microseconds. */
export interface Sample {
  readonly us: number;
  /** How long the JavaScript thread was busy with it, where there is one. */
  readonly jsUs?: number | undefined;
  /** How much of that was the call itself, before it returned its promise. */
  readonly callUs?: number | undefined;
}

export interface Contestant {
  readonly name: string;
  /** At most so many starts back to back, for those that take long. */
  readonly slow?: boolean | undefined;
  /** Runs that many starts, pausing before each, and resolves to their times. */
  readonly run: (count: number, spacingMs: number) => Promise<readonly Sample[]>;
}
