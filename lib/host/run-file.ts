/** Files of the run directory whose bytes processes lock: fcntl(2), open file description locks. */
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isErrno } from '../base/errno.js';
import { storageError } from '../base/storage.js';
import { checkOwnDirectory, makeDirectory } from './private-directory.js';

/**
 * Makes the file if it is missing, and its directory: something may have removed that while containers run.
 *
 * @throws ERR_STORAGE, ERR_NO_PRIVILEGES
 */
export async function openRunFile(path: string): Promise<FileHandle> {
  const openIt = () => open(path, 'a+', 0o600);
  try {
    return await openIt().catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT')) throw error;
      makeDirectory(dirname(path));
      checkOwnDirectory(dirname(path));
      return openIt();
    });
  } catch (error) {
    throw storageError(path, error);
  }
}
