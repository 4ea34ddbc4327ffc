/** Whether this machine can limit swap: then a memory limit alone allows as much swap as memory, as Docker's does. */
import { existsSync } from 'node:fs';
import type { CgroupLayout } from '../layout.js';

export function accountsSwap({ controllers }: CgroupLayout): boolean {
  const hierarchy = controllers.get('memory');
  if (hierarchy?.version === 1) return hierarchy.files.has('memory.memsw.limit_in_bytes');
  // The root of a cgroup2 has no memory.swap.max to be asked for.
  return hierarchy !== undefined && existsSync('/proc/swaps');
}
