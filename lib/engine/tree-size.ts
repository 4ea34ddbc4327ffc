import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of all files below a directory; of a missing one 0. A file with several names counts once. */
export async function treeSize(directory: string): Promise<number> {
  const seen = new Set<string>();
  let size = 0;
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const stats = await lstat(join(entry.parentPath, entry.name)).catch(() => undefined);
    if (stats === undefined) continue;
    const inode = `${stats.dev}:${stats.ino}`;
    if (stats.nlink > 1 && seen.has(inode)) continue;
    seen.add(inode);
    size += stats.size;
  }
  return size;
}
