/** The error of a program whose bundler has included code of caisson, and not the files that this code reads. */
import { BUNDLER_HINT } from '../base/bundler-hint.js';
import { CaissonError } from '../base/errors.js';

/** @param file one that is not there */
export function leftBehind(file: string, cause: unknown): CaissonError {
  return new CaissonError(
    'ERR_NATIVE_LOAD',
    `${file} cannot be loaded: a bundler has included the code of caisson, and not its other files`,
    { stage: 'config', path: file, hint: BUNDLER_HINT, cause },
  );
}
