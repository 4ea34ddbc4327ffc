/** What `caisson info` shows, as data. */
import type { CgroupMode } from '../cgroup/layout.js';
import type { CgroupDriver } from '../cgroup/systemd/systemd.js';
import type { Ability } from './abilities.js';
import type { ControllerInfo } from './controllers.js';

export interface MachineInfo {
  /** caisson's. */
  readonly version: string;
  /** Node.js's. */
  readonly node: string;
  readonly kernel: string;
  /** The distribution, as /etc/os-release names it. */
  readonly system: string;
  /** As uname(2) says it: `x86_64`, `aarch64`. */
  readonly architecture: string;
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  readonly hostname: string;
  readonly user: { readonly uid: number; readonly name: string };
  /** The container that this process runs in, as far as that says so. */
  readonly inside?: string | undefined;
  readonly dataRoot: string;
  readonly runRoot: string;
  /** Those that are kept; missing where this user may not look. */
  readonly containers?: ContainerCounts | undefined;
  readonly cgroup: {
    readonly mode: CgroupMode;
    /** What creates the cgroups of detached containers. */
    readonly driver: CgroupDriver | 'none';
    /** Versions that can be used. */
    readonly versions: readonly (1 | 2)[];
    readonly controllers: readonly ControllerInfo[];
  };
  readonly abilities: readonly Ability[];
}

export interface ContainerCounts {
  readonly total: number;
  readonly running: number;
  readonly paused: number;
  readonly stopped: number;
}
