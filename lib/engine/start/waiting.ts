/** A run that is started before it is known what for. */
import type { RunOptions } from '../options/options.js';

/** What a program that is not executed yet may be given. */
export interface Given extends Pick<RunOptions, 'env' | 'workdir'> {
  /** Behind those that it has. */
  readonly args?: readonly string[] | undefined;
}

/** Lets it be executed. False: it has ended. Undefined: this is too long, and it goes on waiting. */
export type Claim = (given: Given | undefined) => boolean | undefined;

export interface Waiting {
  /** Where its program is not executed before it is claimed: called when it waits for that. */
  readonly parked?: ((claim: Claim) => void) | undefined;
  /** Called when nothing is left of it. */
  readonly gone: () => void;
}
