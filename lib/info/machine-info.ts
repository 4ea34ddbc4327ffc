/** What `caisson info` shows, as data. */
import type { CgroupMode } from '../cgroup/layout.js';
import type { CgroupDriver } from '../cgroup/systemd/systemd.js';
import type { Ability } from './abilities.js';
import type { ControllerInfo } from './controllers.js';

/** What `machineInfo` and `Engine.info` report. */
export interface MachineInfo {
  /** caisson's. */
  readonly version: string;
  /** Node.js's. */
  readonly node: string;
  /** Its release: `6.12.0`. */
  readonly kernel: string;
  /** The distribution, as /etc/os-release names it. */
  readonly system: string;
  /** As uname(2) says it: `x86_64`, `aarch64`. */
  readonly architecture: string;
  /** Processors that are online. */
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  /** As gethostname(2) says it. */
  readonly hostname: string;
  /** Of this process. */
  readonly user: {
    /** The effective user id. */
    readonly uid: number;
    /** The id as text, if the machine has no name for it. */
    readonly name: string;
  };
  /** The container that this process runs in, as far as that says so. */
  readonly inside?: string | undefined;
  /** As in `EngineOptions`. */
  readonly dataRoot: string;
  /** As in `EngineOptions`. */
  readonly runRoot: string;
  /** Those that are kept; missing where this user may not look. */
  readonly containers?: ContainerCounts | undefined;
  /** What limits can be set by. */
  readonly cgroup: {
    /** Which versions are mounted and can be used. */
    readonly mode: CgroupMode;
    /** What creates the cgroups of detached containers. */
    readonly driver: CgroupDriver | 'none';
    /** Versions that can be used. */
    readonly versions: readonly (1 | 2)[];
    /** One for each kind of limits. */
    readonly controllers: readonly ControllerInfo[];
  };
  /** What containers need of the machine, one by one. */
  readonly abilities: readonly Ability[];
}

/** How many detached containers there are. */
export interface ContainerCounts {
  /** All of them. */
  readonly total: number;
  /** Those that run and are not paused. */
  readonly running: number;
  /** Those that are paused. */
  readonly paused: number;
  /** All others. */
  readonly stopped: number;
}
