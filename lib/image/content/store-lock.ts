/** The lock of a store: exclusive for what changes the index or removes blobs, shared for what pins them. */
import { lock } from './file-locks.js';
import { type LayoutPaths, openForLock } from './layout-paths.js';

/** Milliseconds; it is held while files are listed and unlinked, and never while something is downloaded or unpacked. */
const PATIENCE = 60_000;

/** @throws ERR_LOCK_TIMEOUT, ERR_STORAGE */
export async function withStoreLock<T>(
  paths: LayoutPaths,
  type: 'exclusive' | 'shared',
  work: () => Promise<T>,
): Promise<T> {
  const file = await openForLock(paths.lock);
  try {
    await lock(file, paths.lock, { type, patience: PATIENCE });
    return await work();
  } finally {
    await file.close();
  }
}
