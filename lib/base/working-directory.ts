/** Paths that a caller gives relative to its working directory, which may have been removed. */
import { isAbsolute, resolve } from 'node:path';
import { invalid } from './check.js';

/** The working directory of this process; undefined when it does not exist any more. */
export function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/**
 * The absolute path.
 *
 * @param option for the error's text.
 * @throws ERR_INVALID_OPTION for the empty path, for one with a NUL byte, and for a relative one without a directory.
 */
export function absolutePath(
  option: string,
  path: string,
  directory: string | undefined = workingDirectory(),
): string {
  if (typeof path !== 'string' || path === '') throw invalid(option, path, 'is not a path');
  if (path.includes('\0')) throw invalid(option, path, 'contains a NUL byte');
  if (isAbsolute(path)) return resolve(path);
  if (directory === undefined)
    throw invalid(option, path, 'is relative, and the working directory does not exist any more');
  return resolve(directory, path);
}
