/** What a start needs besides its options. */
import type { CgroupLayout } from '../../cgroup/layout.js';
import type { UserNamespaceIds } from '../../host/user-namespace-ids.js';
import type { Binding } from '../../native/binding.js';
import type { ClaimContext } from '../../network/bridge/claim-context.js';
import type { Encoder, Fault } from '../../program/encode.js';
import type { KernelFacts } from '../../program/shared.js';
import type { HostFacts } from '../options/config.js';
import type { VolumeHolds } from '../../volumes/volume-holds.js';
import type { MountConfig } from '../options/mount-config.js';
import type { Store } from '../store/store.js';
import type { IdRanges } from './id-ranges.js';

/** What a start could not do, and does not fail for. */
export interface StartWarning {
  /** What, and of which container. */
  readonly message: string;
  /** The remedy. */
  readonly hint: string;
}

export interface StartContext {
  readonly store: Store;
  readonly dataRoot: string;
  readonly containersRoot: string;
  readonly binding: Binding;
  readonly layout: CgroupLayout;
  /** The slice of systemd for scopes of new detached containers; undefined: cgroupfs (systemd.ts). */
  readonly slice: string | undefined;
  readonly kernel: KernelFacts;
  readonly host: HostFacts;
  readonly owner: string;
  readonly idRanges: IdRanges;
  /** The networks that containers can be connected to, and their addresses. */
  networks(): Promise<ClaimContext>;
  /** Which volumes this engine's runs have. */
  readonly volumes: VolumeHolds;
  /** Creates those volumes that do not exist. */
  createVolumes(mounts: readonly MountConfig[]): Promise<void>;
  /** Undefined for root. */
  readonly users: UserNamespaceIds | undefined;
  /** Tells the caller of what a start could not do, and does not fail for. */
  warn(warning: StartWarning): void;
  readonly encoder: Encoder;
  /** Its starts wait before they execute their programs (pool/parked-run.ts). */
  readonly parks?: boolean | undefined;
  readonly fault: Fault | undefined;
}
