/** What a program of the soaks is told as its argument. */
import type { Roots } from '../support/ground.js';

export interface CallerTask extends Roots {
  /** Names of the containers to start. */
  readonly names: readonly string[];
}

export interface CommanderTask extends Roots {
  readonly seed: number;
  readonly count: number;
  readonly names: readonly string[];
}

export interface Unexpected {
  readonly command: string;
  readonly what: string;
}

/** The last that a commander says. */
export interface CommanderReport {
  /** `command` or `command ERR_…`, and how often. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly unexpected: readonly Unexpected[];
  /** Milliseconds. */
  readonly slowest: { readonly command: string; readonly took: number };
}
