/** The processes of a container, as the kernel has them in its cgroups. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isGone, readIn } from '../cgroup/places.js';

/**
 * Host pids of everything in these cgroups and below them, ascending. What is in one hierarchy only, because
 * it is just being moved, is there too. A cgroup that is gone has none.
 */
export async function processesOf(directories: readonly string[]): Promise<number[]> {
  const pids = new Set<number>();
  const collect = async (directory: string): Promise<void> => {
    const [text = '', children] = await Promise.all([
      readIn(directory, 'cgroup.procs'),
      childrenOf(directory),
    ]);
    for (const line of text.split('\n')) {
      const pid = Number(line);
      // 0 is a process of another pid namespace than the reader's.
      if (pid > 0) pids.add(pid);
    }
    await Promise.all(children.map((child) => collect(join(directory, child))));
  };
  await Promise.all(directories.map(collect));
  return [...pids].sort((a, b) => a - b);
}

async function childrenOf(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}
