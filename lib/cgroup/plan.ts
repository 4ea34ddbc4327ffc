/** What the launch program does to cgroups for one container: made by `planCgroups`, used by `compile`. */
import { CaissonError } from '../base/errors.js';
import type { LinuxDeviceCgroup, LinuxResources } from '../oci/runtime-spec.js';
import { type CgroupHierarchy, type CgroupLayout, withoutScopes } from './detect.js';
import { type CgroupHome, cgroupPath, homePath } from './places.js';
import { type LimitOptions, writeLimits } from './resources.js';
import { type Sink, Sinks } from './sinks.js';

/** One file to write, relative to the directory that it belongs to. */
export interface CgroupWrite {
  readonly file: string;
  readonly value: string;
}

/** The container's place in one hierarchy. */
export interface CgroupPlacement {
  readonly version: 1 | 2;
  /** Controllers of this hierarchy, such as `['cpu', 'cpuacct']`; empty for a bare cgroup2. */
  readonly controllers: readonly string[];
  /**
   * What is there before: where the hierarchy is mounted, such as `/sys/fs/cgroup/memory`; with systemd the scope; the
   * parent that somebody has named.
   */
  readonly base: string;
  /**
   * Written to the base before the parent is made (v2: `cgroup.subtree_control`). Idempotent, but not
   * free: a write to `cgroup.subtree_control` waits for dying cgroups below even when it changes nothing, so
   * it is left out where the file already names the controllers.
   */
  readonly baseWrites?: readonly CgroupWrite[] | undefined;
  /** `<mount point>/caisson`, which all containers share that have no home of their own. Made when missing. */
  readonly parent?: string | undefined;
  /** Written to the parent each time before the container's directory is made (idempotent; see above). */
  readonly parentWrites: readonly CgroupWrite[];
  /** The container's own directory: `<parent or base>/<long id>`, `<scope>/container`. */
  readonly dir: string;
  /** Limits, in the order in which the kernel accepts them. */
  readonly writes: readonly CgroupWrite[];
}

export interface CgroupPlan {
  /** `none` where nothing can be made (and nothing was asked for). */
  readonly mode: 'v1' | 'v2' | 'hybrid' | 'none';
  readonly placements: readonly CgroupPlacement[];
  /** The file whose `oom_kill N` line counts OOM kills (v1 `memory.oom_control`, v2 `memory.events`). */
  readonly oomFile?: string | undefined;
  /**
   * Device rules for a BPF program on the v2 placement, in order: where there is no v1 devices controller,
   * no file can express them.
   */
  readonly deviceRules?: readonly LinuxDeviceCgroup[] | undefined;
}

export interface PlanOptions extends LimitOptions {
  /** Default: what all share. */
  readonly home?: CgroupHome | undefined;
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
  { home = {}, ...options }: PlanOptions = {},
): CgroupPlan {
  const layout = home.cgroupSlice === undefined ? withoutScopes(machine) : machine;
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
      placements.push(placeV1(hierarchy, id, home, sink));
    } else if (hierarchy.version === 2 && (sink !== undefined || ofUse(layout, hierarchy))) {
      placements.push(placeV2(hierarchy, id, home, sink));
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
  home: CgroupHome,
  sink: Sink | undefined,
): CgroupPlacement {
  return {
    version: 1,
    controllers: hierarchy.controllers,
    ...above(hierarchy, id, home, cpusetParent(hierarchy)),
    dir: `${hierarchy.mountPoint}${cgroupPath(id, home)}`,
    writes: sink?.writes ?? [],
  };
}

/** @param setUp of the parent that all containers share; others see to it that a home of its own is there. */
function above(
  { mountPoint }: CgroupHierarchy,
  id: string,
  home: CgroupHome,
  setUp: readonly CgroupWrite[],
): Pick<CgroupPlacement, 'base' | 'parent' | 'parentWrites'> {
  const dir = `${mountPoint}${homePath(id, home)}`;
  return home.cgroupSlice === undefined && home.cgroupParent === undefined
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
  home: CgroupHome,
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
    baseWrites: enable,
    ...above(hierarchy, id, home, enable),
    dir: `${hierarchy.mountPoint}${cgroupPath(id, home)}`,
    writes: sink?.writes ?? [],
  };
}
