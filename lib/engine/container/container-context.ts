/** What the verbs of a container need to know of the machine. */
import type { CgroupLayout } from '../../cgroup/layout.js';
import type { StartContext } from '../start/context.js';
import type { StartedExec } from '../start/exec.js';
import type { Store } from '../store/store.js';

export interface ContainerContext {
  /** Where containers are stored. */
  readonly store: Store;
  /** The machine's cgroups. */
  cgroups(): Promise<CgroupLayout>;
  /** What a start needs. It costs more than all the rest. */
  startContext(): Promise<StartContext>;
  /** Is called with each program that was started in a container and ends with this process. */
  adopt(exec: StartedExec): void;
}
