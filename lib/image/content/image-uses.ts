/**
 * Which images this process has containers of: a shared lock of the manifest's blob, taken with the first container and
 * released with the last. The garbage collection keeps an image while a process holds such a lock.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isErrno } from '../../base/errno.js';
import { isAt, lock } from './file-locks.js';
import { missingBlob } from './content-errors.js';
import type { LayoutPaths } from './layout-paths.js';

export interface ImageUse {
  /** Once; resolves when the lock is released, if it was the last one. */
  release(): Promise<void>;
}

interface Use {
  readonly file: Promise<FileHandle>;
  count: number;
}

/** By the manifest's path. */
const uses = new Map<string, Use>();

/**
 * Once for each container; `release` is called once for each, too.
 *
 * @throws ERR_INVALID_IMAGE when the manifest is not there (any more)
 */
export async function useImage(paths: LayoutPaths, digest: string): Promise<ImageUse> {
  const path = paths.blob(digest);
  const use = uses.get(path) ?? { file: holdLock(path, digest), count: 0 };
  uses.set(path, use);
  use.count++;
  let released = false;
  const release = async (): Promise<void> => {
    if (released) return;
    released = true;
    if (--use.count > 0) return;
    uses.delete(path);
    await (await use.file.catch(() => undefined))?.close();
  };
  try {
    await use.file;
  } catch (error) {
    await release();
    throw error;
  }
  return { release };
}

async function holdLock(path: string, digest: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    throw isErrno(error, 'ENOENT') ? missingBlob(digest) : error;
  }
  try {
    // A collection holds the exclusive lock for a moment.
    await lock(file, path, { type: 'shared', patience: 60_000 });
    if (!(await isAt(file, path))) throw missingBlob(digest);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
