/** Where the secrets of a build are while it runs: in the run directory, which is in memory on most machines. */
import { mkdir, readdir, rm, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../../base/ids.js';
import { openLocked, tryLock } from '../../image/content/file-locks.js';
import { openForLock } from '../../image/content/layout-paths.js';
import { makeDirectory } from '../../host/private-directory.js';

const LOCK = '.lock';

/**
 * @param isNeeded false: there is none; what killed builds have left is removed all the same
 * @param work gets the directory, or ''
 */
export async function withSecretDirectory<T>(
  runRoot: string,
  isNeeded: boolean,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const root = join(runRoot, 'builds');
  await removeLeft(root);
  if (!isNeeded) return work('');
  makeDirectory(root);
  const directory = join(root, newId().slice(0, 16));
  const lock = await openLocked(directory + LOCK);
  try {
    await mkdir(directory, { mode: 0o700 });
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
    await unlink(directory + LOCK).catch(() => undefined);
    await lock.close();
    // The last one.
    await rmdir(root).catch(() => undefined);
  }
}

async function removeLeft(root: string): Promise<void> {
  const names = await readdir(root).catch(() => []);
  for (const name of names.filter((one) => one.endsWith(LOCK))) {
    const path = join(root, name);
    const lock = await openForLock(path);
    try {
      if (!tryLock(lock)) continue;
      await rm(path.slice(0, -LOCK.length), { recursive: true, force: true });
      await unlink(path).catch(() => undefined);
    } finally {
      await lock.close();
    }
  }
  if (names.length > 0) await rmdir(root).catch(() => undefined);
}
