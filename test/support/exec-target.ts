/** A running container as `exec` wants to know it. */
import { readFile } from 'node:fs/promises';
import type { ExecTarget } from '../../lib/engine/start/exec.js';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { startTime } from '../../lib/host/owner.js';
import type { RootfsImage } from '../../lib/image/rootfs.js';
import { pidOutside } from './outside.js';

/** @param id of a container that was started with these. */
export async function targetOf(
  id: string,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<ExecTarget> {
  const pid = await pidOutside(id, 1);
  const map = await readFile(`/proc/${pid}/uid_map`, 'utf8');
  const cgroup = await readFile(`/proc/${pid}/cgroup`, 'utf8');
  return {
    id,
    image,
    argv,
    options,
    pid,
    startTime: startTime(await readFile(`/proc/${pid}/stat`, 'utf8')),
    idBase: Number(map.trim().split(/\s+/)[1]),
    cgroupSlice: /^0::(.*)\/caisson-[0-9a-f]{64}\.scope\//m.exec(cgroup)?.[1],
  };
}
