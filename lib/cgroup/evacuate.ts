/**
 * Inside a container cgroup v2 begins with the container's own cgroup, in which its processes sit; and a cgroup that has
 * processes hands no controllers to those below (cgroup-v2.rst, "No Internal Process Constraint"). So they go into one
 * below, as Docker in Docker and podman in podman do it. Their limits stay: they are those of the cgroup above.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { isErrno } from '../base/errno.js';
import type { CgroupLayout } from './layout.js';

/** What is forked meanwhile is found by the next look. */
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
