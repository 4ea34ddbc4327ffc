import { CaissonError } from '../base/errors.js';

/** A mistake in a Dockerfile, with its line, as `Dockerfile:LINE: …`. Lines are counted from 1. */
export function dockerfileError(line: number, message: string, hint?: string): CaissonError {
  return new CaissonError('ERR_INVALID_DOCKERFILE', `Dockerfile:${line}: ${message}`, {
    stage: 'build',
    path: `Dockerfile:${line}`,
    hint,
  });
}

/** Something that Docker's builder has and this one does not. */
export function unsupportedInDockerfile(line: number, what: string, hint?: string): CaissonError {
  return new CaissonError(
    'ERR_UNSUPPORTED_OPTION',
    `Dockerfile:${line}: ${what} is not supported`,
    { stage: 'build', path: `Dockerfile:${line}`, hint },
  );
}
