/** Pressure stall information. */
import { type CgroupDirectory, readIn } from '../../cgroup/cgroup-paths.js';

/** How long processes have waited, of what: proc_pressure in Linux' documentation (accounting/psi). */
export interface PressureStats {
  /** Waiting for a processor. */
  readonly cpu?: Pressure | undefined;
  /** Waiting for memory. */
  readonly memory?: Pressure | undefined;
  /** Waiting for block devices. */
  readonly io?: Pressure | undefined;
}

/** How long processes have waited. */
export interface Pressure {
  /** At least one has. */
  readonly some: PressureShare;
  /** All have, at once. Missing for cpu before Linux 5.13. */
  readonly full?: PressureShare | undefined;
}

/** Percent of the last 10, 60 and 300 seconds; microseconds in all. */
export interface PressureShare {
  /** Percent of the last 10 seconds. */
  readonly avg10: number;
  /** Percent of the last minute. */
  readonly avg60: number;
  /** Percent of the last 5 minutes. */
  readonly avg300: number;
  /** Microseconds. */
  readonly total: number;
}

export async function pressureStats(
  directories: readonly CgroupDirectory[],
): Promise<PressureStats | undefined> {
  const directory = directories.find(({ version }) => version === 2);
  if (directory === undefined) return undefined;
  const [cpu, memory, io] = await Promise.all(
    ['cpu', 'memory', 'io'].map(async (name) =>
      parsePressure(await readIn(directory.dir, `${name}.pressure`)),
    ),
  );
  return cpu === undefined && memory === undefined && io === undefined
    ? undefined
    : { cpu, memory, io };
}

/** Documentation/accounting/psi.rst */
function parsePressure(text: string | undefined): Pressure | undefined {
  const share = (kind: string): PressureShare | undefined => {
    const match = new RegExp(
      `^${kind} avg10=([\\d.]+) avg60=([\\d.]+) avg300=([\\d.]+) total=(\\d+)$`,
      'm',
    ).exec(text ?? '');
    if (match === null) return undefined;
    const [avg10 = 0, avg60 = 0, avg300 = 0, total = 0] = match.slice(1).map(Number);
    return { avg10, avg60, avg300, total };
  };
  const some = share('some');
  return some === undefined ? undefined : { some, full: share('full') };
}
