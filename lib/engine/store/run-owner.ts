/** The process that a run belongs to (`Engine.run`), which removes it: a link in the container's directory, as `ownerName` tells it. */
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../base/errno.js';
import type { Store } from './store.js';

/** Undefined: it is a detached container, or there is none (any more). */
export async function runOwner(
  store: Pick<Store, 'directory'>,
  id: string,
): Promise<string | undefined> {
  try {
    return await readlink(join(store.directory(id), 'owner'));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
