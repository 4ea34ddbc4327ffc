/** From the limits of one container to what the launch program writes into its cgroups. */
import { CaissonError } from '../../base/errors.js';
import type { LinuxResources } from '../../oci/runtime-spec.js';
import { type CgroupHierarchy, type CgroupLayout, withoutScopes } from '../layout.js';
import { type CgroupLocation, cgroupPath, parentPath } from '../cgroup-paths.js';
import { type LimitOptions, writeLimits } from './limit-writes.js';
import { type Sink, Sinks } from './sinks.js';
import type { CgroupPlan, CgroupPlacement, CgroupWrite } from '../writes.js';

export interface PlanOptions extends LimitOptions {
  /** Default: what all share. */
  readonly location?: CgroupLocation | undefined;
}

/** v2 controllers that every container gets, limits or not: their files are its statistics. */
const v2Always: ReadonlySet<string> = new Set(['cpu', 'io', 'memory', 'pids']);

/**
 * Turns the limits of the runtime spec into file writes: pure, and some microseconds long. Every usable v1
 * hierarchy with controllers gets a directory, for statistics, freezing and killing; a hybrid machine's
 * cgroup2 gets one only when a limit needs it.
 *
 * @param id the container's long id; it becomes a directory's name.
 * @throws ERR_CGROUP_CONTROLLER_MISSING for a limit that this machine cannot set, ERR_INVALID_OPTION for a
 *   value that no machine accepts, ERR_UNSUPPORTED_OPTION for what caisson does not set.
 */
export function planCgroups(
  machine: CgroupLayout,
  id: string,
  resources: LinuxResources,
  { location = {}, ...options }: PlanOptions = {},
): CgroupPlan {
  const layout = location.cgroupSlice === undefined ? withoutScopes(machine) : machine;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.+-]{0,254}$/.test(id)) {
    throw new CaissonError('ERR_INVALID_OPTION', `id: ${JSON.stringify(id)} cannot name a cgroup`, {
      stage: 'config',
      path: 'id',
    });
  }
  const sinks = new Sinks(layout);
  const deviceRules = writeLimits(sinks, resources, options);
  const placements: CgroupPlacement[] = [];
  for (const hierarchy of layout.hierarchies) {
    if (!hierarchy.usable) continue;
    const sink = sinks.get(hierarchy);
    if (hierarchy.version === 1 && hierarchy.controllers.length > 0) {
      placements.push(placeV1(hierarchy, id, location, sink));
    } else if (hierarchy.version === 2 && (sink !== undefined || ofUse(layout, hierarchy))) {
      placements.push(placeV2(hierarchy, id, location, sink));
    }
  }
  // A controller is in one hierarchy only, so there is at most one such placement.
  const memory = placements.find((placement) => placement.controllers.includes('memory'));
  const oomFile =
    memory && `${memory.dir}/${memory.version === 1 ? 'memory.oom_control' : 'memory.events'}`;
  return { mode: layout.mode, placements, oomFile, deviceRules };
}

/** A hybrid machine's cgroup2 usually has no controller worth a directory for each container. */
function ofUse(layout: CgroupLayout, unified: CgroupHierarchy): boolean {
  return layout.mode === 'v2' || unified.controllers.some((name) => v2Always.has(name));
}

function placeV1(
  hierarchy: CgroupHierarchy,
  id: string,
  location: CgroupLocation,
  sink: Sink | undefined,
): CgroupPlacement {
  return {
    version: 1,
    controllers: hierarchy.controllers,
    ...above(hierarchy, id, location, cpusetParent(hierarchy)),
    dir: `${hierarchy.mountPoint}${cgroupPath(id, location)}`,
    writes: sink?.writes ?? [],
  };
}

/** @param setUp of the parent that all containers share; others see to it that a location of its own is there. */
function above(
  { mountPoint }: CgroupHierarchy,
  id: string,
  location: CgroupLocation,
  setUp: readonly CgroupWrite[],
): Pick<CgroupPlacement, 'base' | 'parent' | 'parentWrites'> {
  const dir = `${mountPoint}${parentPath(id, location)}`;
  return location.cgroupSlice === undefined && location.cgroupParent === undefined
    ? { base: mountPoint, parent: dir, parentWrites: setUp }
    : { base: dir, parentWrites: [] };
}

/**
 * A v1 cpuset takes no process before it has cpus and mems. The parent gets what the mount point has, and
 * `clone_children` makes the kernel hand that on to each container; the root's own setting is left alone.
 */
function cpusetParent(hierarchy: CgroupHierarchy): CgroupWrite[] {
  if (!hierarchy.controllers.includes('cpuset')) return [];
  return [
    { file: 'cpuset.cpus', value: hierarchy.cpus ?? '0' },
    { file: 'cpuset.mems', value: hierarchy.mems ?? '0' },
    { file: 'cgroup.clone_children', value: '1' },
  ];
}

function placeV2(
  hierarchy: CgroupHierarchy,
  id: string,
  location: CgroupLocation,
  sink: Sink | undefined,
): CgroupPlacement {
  const enabled = hierarchy.controllers.filter(
    (name) => v2Always.has(name) || sink?.needed.has(name) === true,
  );
  const enable =
    enabled.length === 0
      ? []
      : [{ file: 'cgroup.subtree_control', value: enabled.map((name) => `+${name}`).join(' ') }];
  return {
    version: 2,
    controllers: hierarchy.controllers,
    mountPoint: hierarchy.mountPoint,
    baseWrites: enable,
    ...above(hierarchy, id, location, enable),
    dir: `${hierarchy.mountPoint}${cgroupPath(id, location)}`,
    writes: sink?.writes ?? [],
  };
}
