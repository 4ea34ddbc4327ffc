/** The host's side of a copy: what a path is, with Docker's rules for links. */
import type { Stats } from 'node:fs';
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isErrno } from '../base/errno.js';
import { CaissonError } from '../base/errors.js';
import { assertsDirectory, type CopyPlace, specifiesContent, splitEntry } from './copy-paths.js';

/** What is copied from the host. */
export interface LocalSource {
  /** Absolute; links on the way to its last component are followed. */
  readonly path: string;
  readonly isDirectory: boolean;
  /** Of the copy. */
  readonly name: string;
}

const MOST_LINKS = 40;

/**
 * @param path relative to the working directory
 * @param followLink a link at the end is followed; the copy has the link's name
 * @throws ERR_NO_SUCH_FILE, ERR_FILES_FAILED
 */
export async function localSource(path: string, followLink: boolean): Promise<LocalSource> {
  try {
    const { directory, name } = splitEntry(path);
    const content = specifiesContent(path);
    const inside = content || name === '/';
    let found = inside ? await realpath(directory) : join(await realpath(directory), name);
    // A slash at the end follows the link, too.
    if (followLink || path.endsWith('/')) found = await realpath(found);
    const stats = await lstat(found);
    if (assertsDirectory(path) && !stats.isDirectory())
      throw new CaissonError('ERR_FILES_FAILED', `${path}: not a directory`, {
        stage: 'files',
        path,
        errno: 'ENOTDIR',
      });
    // The name that was asked for, also where a link leads to another one.
    const own = name === '..' ? splitEntry(found).name : name;
    return {
      path: content ? join(found, '/.') : found,
      isDirectory: stats.isDirectory(),
      name: own,
    };
  } catch (cause) {
    throw localError(path, cause);
  }
}

/**
 * Links are followed, also where they lead to what does not exist yet.
 *
 * @param path relative to the working directory
 * @throws ERR_NO_SUCH_FILE when the directory is missing that it would be in; ERR_FILES_FAILED for a device
 */
export async function localDestination(path: string): Promise<CopyPlace> {
  const end = assertsDirectory(path) ? '/' : '';
  let place = resolve(path);
  try {
    for (let links = 0; links < MOST_LINKS; links++) {
      const stats = await statIfThere(place);
      if (stats !== undefined) {
        if (!stats.isDirectory() && !stats.isFile())
          throw new CaissonError(
            'ERR_FILES_FAILED',
            `destination "${path}" must be a directory or a regular file`,
            { stage: 'files', path },
          );
        if (end !== '' && !stats.isDirectory())
          throw new CaissonError('ERR_FILES_FAILED', `${path}: not a directory`, {
            stage: 'files',
            path,
            errno: 'ENOTDIR',
          });
        return { path: await realpath(place), exists: true, isDirectory: stats.isDirectory() };
      }
      const parent = await statIfThere(dirname(place));
      if (parent?.isDirectory() !== true)
        throw new CaissonError(
          'ERR_NO_SUCH_FILE',
          `invalid output path: directory "${dirname(place)}" does not exist`,
          { stage: 'files', path },
        );
      const target = await readlink(place).catch(() => undefined);
      if (target === undefined) return { path: place + end, exists: false, isDirectory: false };
      place = resolve(await realpath(dirname(place)), target);
    }
  } catch (cause) {
    throw localError(path, cause);
  }
  throw new CaissonError('ERR_FILES_FAILED', `${path}: too many links`, {
    stage: 'files',
    path,
    errno: 'ELOOP',
  });
}

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function localError(path: string, cause: unknown): unknown {
  if (cause instanceof CaissonError) return cause;
  const { code } = cause as NodeJS.ErrnoException;
  if (code === undefined) return cause;
  if (code === 'ENOENT')
    return new CaissonError('ERR_NO_SUCH_FILE', `${path}: no such file or directory`, {
      stage: 'files',
      path,
      errno: code,
      cause,
    });
  return new CaissonError('ERR_FILES_FAILED', `${path}: ${code}`, {
    stage: 'files',
    path,
    errno: code,
    cause,
  });
}
