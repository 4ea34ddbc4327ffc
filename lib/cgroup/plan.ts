/** What the launch program does to cgroups for one container: made by `planCgroups`, used by `compile`. */

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
  /** Where the hierarchy is mounted, such as `/sys/fs/cgroup/memory`. */
  readonly mountPoint: string;
  /** The parent, shared by all containers: `<mountPoint>/caisson`. Made when missing. */
  readonly parent: string;
  /** Written to the parent each time before the container's directory is made (idempotent). */
  readonly parentWrites: readonly CgroupWrite[];
  /** The container's own directory: `<parent>/<long id>`. */
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
}
