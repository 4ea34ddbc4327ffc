/** The processes of a container, read from its cgroups. */
import { readdir, readlink } from 'node:fs/promises';
import { isGone, readIn } from './cgroup-paths.js';

/**
 * Host pids of all processes in these cgroups and below them, ascending. A process that is just being moved, and so is
 * in one hierarchy only, is included. A cgroup that is gone has none.
 */
export async function processesOf(directories: readonly string[]): Promise<number[]> {
  const pids = new Set<number>();
  // As bytes: a container that may make cgroups chooses their names, which need not be text.
  const collect = async (directory: Buffer): Promise<void> => {
    const [text = '', children] = await Promise.all([
      readIn(directory, 'cgroup.procs'),
      childrenOf(directory),
    ]);
    for (const line of text.split('\n')) {
      const pid = Number(line);
      // 0: the process is in a pid namespace that the reader cannot see.
      if (pid > 0) pids.add(pid);
    }
    await Promise.all(children.map(collect));
  };
  await Promise.all(directories.map((directory) => collect(Buffer.from(directory))));
  return [...pids].sort((a, b) => a - b);
}

/**
 * The processes of a container without cgroups, by its first process: those in the same pid namespace. Processes of nested
 * pid namespaces count with the process that has created them.
 */
export async function processesBeside(first: number): Promise<number[]> {
  const namespaceOf = (pid: number | string) =>
    readlink(`/proc/${pid}/ns/pid`).catch(() => undefined);
  const [wanted, all] = await Promise.all([namespaceOf(first), readdir('/proc')]);
  if (wanted === undefined) return [];
  const pids = all.filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map(async (pid) => (await namespaceOf(pid)) === wanted));
  return pids
    .filter((_, index) => found[index])
    .map(Number)
    .sort((a, b) => a - b);
}

async function childrenOf(directory: Buffer): Promise<Buffer[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true, encoding: 'latin1' });
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => Buffer.concat([directory, Buffer.from(`/${name}`, 'latin1')]));
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}
