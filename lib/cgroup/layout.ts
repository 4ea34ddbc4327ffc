/**
 * What cgroup hierarchies this machine has, as data: found out by detect.ts, and again when a probe has learned more.
 */

/** Which versions this process can use. `hybrid`: controllers of v1, and a cgroup2 beside them. */
export type CgroupMode = 'v1' | 'v2' | 'hybrid' | 'none';

/** One mounted hierarchy. */
export interface CgroupHierarchy {
  readonly version: 1 | 2;
  /** v1: the controllers bound to it, sorted; v2: those of `cgroup.controllers` at the mount point. */
  readonly controllers: readonly string[];
  /** A named v1 hierarchy's name, such as `systemd`. */
  readonly name?: string | undefined;
  readonly mountPoint: string;
  /** The part of the hierarchy that the mount shows: `/`, or a cgroup of its own inside a container. */
  readonly mountRoot: string;
  /** This process's own cgroup, from the hierarchy's root. */
  readonly ownPath?: string | undefined;
  /** Directories can be made below the mount point: mounted read-write, and this user may write. */
  readonly usable: boolean;
  readonly readOnly: boolean;
  /** Names of the files at the mount point; a real root lacks many that its children have. */
  readonly files: ReadonlySet<string>;
  /**
   * Delegated to an unprivileged user: usable only in scopes of the user's systemd instance, and `controllers` and `files`
   * are the delegated ones.
   */
  readonly delegated?: boolean | undefined;
  /** Names of the files in a child, where `probe.ts` had to look … */
  readonly childFiles?: ReadonlySet<string> | undefined;
  /** … and the controllers for which that list is complete. */
  readonly probed?: ReadonlySet<string> | undefined;
  /** The CPUs and memory nodes to be shared out, as lists (`0-3,7`), where cpuset is here. */
  readonly cpus?: string | undefined;
  readonly mems?: string | undefined;
}

export interface CgroupLayout {
  /** Counts usable hierarchies only. `hybrid`: v1 controllers are in use and a cgroup2 is mounted as well. */
  readonly mode: CgroupMode;
  readonly hierarchies: readonly CgroupHierarchy[];
  /** The hierarchy of each usable controller. On a hybrid machine v1 has precedence over v2. */
  readonly controllers: ReadonlyMap<string, CgroupHierarchy>;
  /** The usable cgroup2, if any. */
  readonly unified?: CgroupHierarchy | undefined;
  /** Controllers that are compiled in but switched off (`cgroup_disable=`). */
  readonly disabled: ReadonlySet<string>;
}

/** Puts a layout together from what was found. */
export function makeLayout(
  hierarchies: readonly CgroupHierarchy[],
  disabled: ReadonlySet<string>,
): CgroupLayout {
  const usable = hierarchies.filter((hierarchy) => hierarchy.usable);
  const v1 = usable.filter((h) => h.version === 1 && h.controllers.length > 0);
  const unified = usable.find((h) => h.version === 2);
  const controllers = new Map<string, CgroupHierarchy>();
  for (const name of unified?.controllers ?? []) {
    if (unified !== undefined) controllers.set(name, unified);
  }
  for (const hierarchy of v1) {
    for (const name of hierarchy.controllers) controllers.set(name, hierarchy);
  }
  let mode: CgroupMode = 'none';
  if (v1.length > 0) mode = unified === undefined ? 'v1' : 'hybrid';
  else if (unified !== undefined) mode = 'v2';
  return { mode, hierarchies, controllers, unified, disabled };
}

/** The layout without what is usable only in systemd's scopes. */
export function withoutScopes(layout: CgroupLayout): CgroupLayout {
  if (!layout.hierarchies.some(({ delegated }) => delegated === true)) return layout;
  const hierarchies = layout.hierarchies.map((each) =>
    each.delegated === true ? { ...each, usable: false } : each,
  );
  return makeLayout(hierarchies, layout.disabled);
}
