/**
 * Inside a container, the root of the cgroup v2 tree is the container's own cgroup, which contains its processes; and a
 * cgroup with processes cannot enable controllers for its children (cgroup-v2.rst, "No Internal Process Constraint").
 * So the processes move into a child, as Docker in Docker and podman in podman do. The limits of the parent still
 * apply.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { isErrno } from '../base/errno.js';
import type { CgroupLayout } from './layout.js';

/** Processes that are forked meanwhile are found in the next round. */
const ROUNDS = 10;

/** Does nothing on a machine's own tree: its root may have both, and the cgroups below it belong to other programs. */
export async function evacuateRoot({ mode, unified }: CgroupLayout): Promise<void> {
  // The root of a tree has no type; the root of a cgroup namespace has what any cgroup has.
  if (mode !== 'v2' || !unified?.files.has('cgroup.type')) return;
  if (unified.ownPath !== '/' && unified.ownPath !== '/init') return;
  const { mountPoint } = unified;
  for (let round = 0; round < ROUNDS; round++) {
    const processes = await processesIn(mountPoint);
    if (processes.length === 0) return;
    await mkdir(`${mountPoint}/init`, { recursive: true });
    for (const pid of processes) {
      await writeFile(`${mountPoint}/init/cgroup.procs`, pid).catch((error: unknown) => {
        // It has ended. Whatever else is wrong, the first start that needs a controller says what.
        if (!isErrno(error, 'ESRCH', 'EINVAL', 'EPERM', 'EACCES', 'EBUSY')) throw error;
      });
    }
  }
}

async function processesIn(directory: string): Promise<string[]> {
  const text = await readFile(`${directory}/cgroup.procs`, 'utf8').catch(() => '');
  // 0: a process of another pid namespace.
  return text.split('\n').filter((pid) => pid !== '' && pid !== '0');
}
