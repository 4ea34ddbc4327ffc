/** Numbers in the files of a container's cgroups. */
import { type CgroupDirectory, readIn } from '../../cgroup/cgroup-paths.js';

/** v1's directory of a controller, else v2's. */
export function directoryWith(
  directories: readonly CgroupDirectory[],
  v1: string,
  v2 = v1,
): CgroupDirectory | undefined {
  return (
    directories.find(({ version, controllers }) => version === 1 && controllers.includes(v1)) ??
    directories.find(({ version, controllers }) => version === 2 && controllers.includes(v2))
  );
}

export async function numberIn(dir: string, file: string): Promise<number | undefined> {
  const text = (await readIn(dir, file))?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
