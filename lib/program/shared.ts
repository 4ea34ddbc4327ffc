/** What the host phase and the container phase have in common; `compile` passes it to each. */
import type { LinuxDevice, Mount, Spec } from '../oci/runtime-spec.js';
import type { JoinedContainer } from './launch-input.js';

/** What the running kernel can do; from a probe. */
export interface KernelFacts {
  /** overlay takes its layers as descriptors of detached mounts (Linux 6.15 and later). */
  readonly overlayByDescriptor: boolean;
}

/** Registers that both phases use. */
export interface Shared {
  /** A new user namespace: the container's ids are not the host's. */
  readonly ownUserNamespace: boolean;
  /** Host id of container root. */
  readonly rootUid: number;
  readonly rootGid: number;
  readonly root: number;
  /** A tmpfs with the container's devices, injected files and what masks are made of. */
  readonly scratch: number;
  /** Detached trees of bind mounts, by their index in `spec.mounts`. */
  readonly binds: ReadonlyMap<number, number>;
  readonly stdin?: number | undefined;
  readonly stdout?: number | undefined;
  readonly stderr?: number | undefined;
  /** v1: `tasks` files to enter by. */
  readonly tasks: number[];
  /** Trees of the container's own cgroups, by their index in the plan's placements. */
  readonly cgroups: ReadonlyMap<number, number>;
  /** Rootless: the host's devices, by their path in the container. */
  readonly devices: ReadonlyMap<string, number>;
  /** Rootless: the host's null device, opened. */
  readonly none?: number | undefined;
  /** Every tmpfs but /dev, by its index in `spec.mounts`. */
  readonly tmpfs: ReadonlyMap<number, number>;
  /** The containers that are joined. */
  readonly joined: readonly JoinedProcess[];
  /** Devices that are not in the container's own /dev, by their path. */
  readonly nodes: ReadonlyMap<string, DeviceNode>;
}

/** A container that is joined. */
export interface JoinedProcess {
  /** Holds its first process. */
  readonly slot: number;
  readonly container: JoinedContainer;
  /** Namespaces of it that the container phase joins. */
  readonly network: number | undefined;
  readonly ipc: number | undefined;
  /** The mount namespace, for its shared memory. */
  readonly mounts: number | undefined;
}

/** A device in the scratch tmpfs that is bind-mounted to its path. */
export interface DeviceNode {
  readonly device: LinuxDevice;
  /** In the scratch tmpfs. */
  readonly name: string;
}

const NULL_DEVICE: LinuxDevice = { path: '/dev/null', type: 'c', major: 1, minor: 3 };

export function isCgroup({ type }: Mount): boolean {
  return type === 'cgroup' || type === 'cgroup2';
}

/** The files of an image: `LaunchInput.images` says which. */
export function isImage({ type }: Mount): boolean {
  return type === 'image';
}

/** The container's own /dev: a part of the scratch tmpfs. */
export function isDev({ type, destination }: Mount): boolean {
  return type === 'tmpfs' && destination === '/dev';
}

export function isInDev(spec: Spec, { path }: LinuxDevice): boolean {
  return path.startsWith('/dev/') && spec.mounts?.some(isDev) === true;
}

/** The container's devices in its /dev. The null device is always there: masks are made of it. */
export function devicesInDev(spec: Spec): LinuxDevice[] {
  const devices = (spec.linux?.devices ?? []).filter((device) => isInDev(spec, device));
  return devices.some(({ path }) => path === NULL_DEVICE.path)
    ? devices
    : [...devices, NULL_DEVICE];
}

/** Below /sys/fs/cgroup: as systemd and Docker name them. */
export function hierarchyName(version: 1 | 2, controllers: readonly string[]): string {
  return version === 2 ? 'unified' : controllers.join(',');
}
