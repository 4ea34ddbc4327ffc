/** Which limits there are, by the cgroup controller that enforces them. */
import type { CgroupLayout } from '../cgroup/layout.js';
import { nameHere, whyMissing } from '../cgroup/limits/missing.js';

/** A cgroup controller, and the limits that it enforces. */
export interface ControllerInfo {
  /** As cgroup v2 names it, where it has it. */
  readonly name: string;
  /** Its limits can be set. */
  readonly available: boolean;
  /** Of the hierarchy that has it; undefined if none has. */
  readonly version?: 1 | 2 | undefined;
  /** Of that hierarchy. */
  readonly mountPoint?: string | undefined;
  /** Options of `run` and `create` that need it. */
  readonly limits: readonly string[];
  /** Why it is missing. */
  readonly reason?: string | undefined;
  /** What would give it. */
  readonly remedy?: string | undefined;
}

/** Name in v2, in v1, and what it gives. Devices and the freezer are not controllers of v2: see the abilities. */
const CONTROLLERS: readonly (readonly [v2: string, v1: string, limits: string])[] = [
  ['cpu', 'cpu', 'cpus cpuShares cpuQuota cpuPeriod'],
  ['cpuset', 'cpuset', 'cpusetCpus cpusetMems'],
  ['memory', 'memory', 'memory memoryReservation memorySwap memorySwappiness oomKillDisable'],
  ['pids', 'pids', 'pidsLimit'],
  ['io', 'blkio', 'blkioWeight deviceReadBps deviceWriteBps deviceReadIops deviceWriteIops'],
];

/** cgroup v2 has no file for them. */
const ONLY_V1: ReadonlySet<string> = new Set(['memorySwappiness', 'oomKillDisable']);

export function listControllers(layout: CgroupLayout): ControllerInfo[] {
  return CONTROLLERS.map(([v2, v1, words]) => {
    const found = [v1, v2]
      .map((name) => layout.controllers.get(name))
      .find((hierarchy) => hierarchy !== undefined);
    const all = words.split(' ');
    if (found === undefined) {
      const why = whyMissing(layout, nameHere(layout, v1, v2));
      return { name: v2, available: false, limits: all, ...why };
    }
    const { version, mountPoint } = found;
    const limits = version === 1 ? all : all.filter((word) => !ONLY_V1.has(word));
    return { name: v2, available: true, version, mountPoint, limits };
  });
}
