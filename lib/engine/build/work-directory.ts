/** A directory of one build, which the garbage collection of images removes if this process is killed. */
import { mkdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../../base/ids.js';
import { storageError } from '../../base/storage.js';
import { openLocked } from '../../image/content/file-locks.js';
import type { LayoutPaths } from '../../image/content/layout-paths.js';

/** @throws ERR_STORAGE */
export async function withWorkDirectory<T>(
  { ingest }: LayoutPaths,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  // What collect.ts takes for a layer that is being unpacked: a directory, and the lock of its process beside it.
  const name = newId().slice(0, 16);
  const lockPath = join(ingest, `layer-build-${name}`);
  const directory = join(ingest, `unpack-build-${name}`);
  const lock = await openLocked(lockPath);
  try {
    await mkdir(directory, { mode: 0o700 });
    return await work(directory);
  } catch (error) {
    throw storageError(directory, error);
  } finally {
    await rm(directory, { recursive: true, force: true }).catch(() => undefined);
    await unlink(lockPath).catch(() => undefined);
    await lock.close();
  }
}
