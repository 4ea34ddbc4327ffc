/** What the launch program does to cgroups for one container, as data: made by `planCgroups`, used by `compile`. */
import type { LinuxDeviceCgroup } from '../oci/runtime-spec.js';

/** One file to write, relative to the directory that it belongs to. */
export interface CgroupWrite {
  readonly file: string;
  readonly value: string;
}

/** The container's cgroup in one hierarchy. */
export interface CgroupPlacement {
  readonly version: 1 | 2;
  /** Controllers of this hierarchy, such as `['cpu', 'cpuacct']`; empty for a bare cgroup2. */
  readonly controllers: readonly string[];
  /**
   * The existing directory: where the hierarchy is mounted, such as `/sys/fs/cgroup/memory`; with systemd the scope; or
   * the parent that the caller has named.
   */
  readonly base: string;
  /**
   * Written to the base before the parent is made (v2: `cgroup.subtree_control`). Idempotent, but not
   * free: a write to `cgroup.subtree_control` waits for dying cgroups below even when it changes nothing, so
   * it is left out where the file already names the controllers.
   */
  readonly baseWrites?: readonly CgroupWrite[] | undefined;
  /** `<mount point>/caisson`, which all containers share that have no parent of their own. Made when missing. */
  readonly parent?: string | undefined;
  /** Written to the parent each time before the container's directory is made (idempotent; see above). */
  readonly parentWrites: readonly CgroupWrite[];
  /** The container's own directory: `<parent or base>/<long id>`, `<scope>/container`. */
  readonly dir: string;
  /** v2: where the hierarchy is mounted. */
  readonly mountPoint?: string | undefined;
  /** Limits, in the order in which the kernel accepts them. */
  readonly writes: readonly CgroupWrite[];
}

export interface CgroupPlan {
  /** `none` if no cgroup can be made, and no limit was requested. */
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
