/** What `compile` needs besides the OCI spec: everything about one launch that the spec does not cover. */
import type { CgroupPlan } from '../cgroup/writes.js';
import type { BridgePlan, NetlinkRequest, PublishPlan } from './network-plan.js';
import type { OwnText, WithOwnTexts } from './own-texts.js';

/** How the root is assembled. */
export type RootPlan =
  | {
      readonly kind: 'overlay';
      /** Lower layers, topmost first: absolute host directories. */
      readonly lowers: readonly string[];
      /**
       * Subtrees of the overlay and where they appear, root first. An image is `[{ from: '.', to: '/' }]`;
       * the `host` image shows `.root` at `/` and the overlay itself at `/usr`.
       */
      readonly views: readonly RootView[];
      readonly readOnly: boolean;
      /**
       * Of the last lower layer the container shows only what all users of the host may read (decision 0014). The value
       * is an empty directory: overlay wants two layers.
       */
      readonly sealed?: string | undefined;
      /** A directory in which most of the lowers are, and which has no mounts in it: those of an image. */
      readonly base?: string | undefined;
      /** No file of the layers ever changes: they are an image's. */
      readonly fixed?: boolean | undefined;
      /** Above `lowers`. */
      readonly frozen?: FrozenLayers | undefined;
    }
  | {
      /** The directory itself, without a layer above. */
      readonly kind: 'direct';
      readonly path: string;
      readonly readOnly: boolean;
    };

/** What containers had written before they were forked. */
export interface FrozenLayers {
  /** All of them are in it, and no mounts. */
  readonly base: string;
  /** Topmost first: absolute host directories. */
  readonly layers: readonly string[];
}

export interface RootView {
  readonly from: string;
  readonly to: string;
}

/** An image that is mounted. */
export interface ImagePlan {
  readonly root: RootPlan & { readonly kind: 'overlay' };
  /** What of it is mounted: a relative path. */
  readonly subpath: string | undefined;
}

/** All read-only layers of an overlay, topmost first. */
export function allLowers({
  frozen,
  lowers,
}: RootPlan & { readonly kind: 'overlay' }): readonly string[] {
  return frozen === undefined ? lowers : [...frozen.layers, ...lowers];
}

/** A writable layer that has a size. */
export type LayerPlan =
  | {
      /** In memory, for a layer that is not persistent. */
      readonly kind: 'tmpfs';
      /** Bytes. */
      readonly size: number;
    }
  | {
      /** A file system in this file of the container's directory. */
      readonly kind: 'image';
      readonly file: string;
      readonly type: string;
      /** As for mount(8). */
      readonly options: string;
    };

/** A small file that the engine writes for the container: /etc/hosts, /etc/hostname, /etc/resolv.conf. */
export interface InjectedFile {
  /** Absolute path inside the container. */
  readonly path: string;
  readonly content: string | OwnText;
}

/** Where one of the program's three standard streams goes. */
export type StdioPlan = 'pipe' | 'null' | 'inherit';

/** What a process execs. */
export interface Command {
  /** Never empty. */
  readonly args: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
}

/** A rootless start, by a supervisor in the user namespace that it has created. */
export interface RootlessInput {
  /** The host's path of a device of the container, if it differs: device nodes cannot be made in a user namespace. */
  readonly devices: ReadonlyMap<string, string>;
  /** Groups can be chosen: more than this user's own are mapped. */
  readonly groups: boolean;
}

/** A program of the host that gives the container a network. */
export interface HelperPlan {
  readonly path: string;
  readonly args: readonly string[];
  /** This argument is replaced by the path of the container's network namespace. */
  readonly namespaceAt: number;
  /** How it reports that it is ready: it exits with 0 and leaves a daemon behind, or writes to descriptor 3. */
  readonly ready: 'ended' | 'said';
  /** Ports of the host that it binds: the texts of `port.bind`. */
  readonly ports?: PublishPlan['sockets'] | undefined;
  /** Sent to the program's socket, whose path replaces the argument with the number `socketAt`. */
  readonly requests?: readonly string[] | undefined;
  readonly socketAt?: number | undefined;
}

/** Who gives the container the names of others on its networks, and it a name (cpp/resolver). */
export interface ResolverPlan {
  /** Of the resolver; root's alone. It is made if it is missing. */
  readonly directory: string;
  /** As of `encodeRegistration`. */
  readonly registration: Uint8Array;
  /** In the container's network namespace: `redirectDns`. */
  readonly redirect?: NetlinkRequest | undefined;
}

/**
 * Whether the container's process is created in its network namespace, because the host phase works in there. Otherwise the process
 * makes it while the host phase is at work; for interfaces on bridges, that waits for it (host-phase/bridges.ts).
 */
export function hasEarlyNetwork({ helper, bridges, resolver }: LaunchInput): boolean {
  return helper !== undefined || (resolver !== undefined && bridges === undefined);
}

/**
 * Whether something of its network is made that the container's set-up does not need, but its program: a policy, published ports,
 * names. The container waits for it as late as it can.
 */
export function hasLateNetwork({ bridges, resolver }: LaunchInput): boolean {
  return (
    resolver !== undefined || bridges?.policy !== undefined || bridges?.published !== undefined
  );
}

/** Whether the network namespace is another container's, or that of a file. */
export function sharesNetwork({ joined, networkFile }: LaunchInput): boolean {
  const joins = joined?.containers.some(({ namespaces }) => namespaces.has('network')) === true;
  return joins || networkFile !== undefined;
}

/** A running container, some of whose namespaces are joined. */
export interface JoinedContainer {
  /** Its first process, as this process sees it. */
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat. */
  readonly startTime: bigint;
  readonly namespaces: ReadonlySet<'network' | 'pid' | 'ipc'>;
}

/** Namespaces of other containers that this one has in place of its own. */
export interface JoinedNamespaces {
  /** Each namespace is one container's. */
  readonly containers: readonly JoinedContainer[];
  /** The user namespace of all of them, too. */
  readonly users: boolean;
  /** With the IPC namespace: its container's /dev/shm. */
  readonly sharedMemory: boolean;
}

export interface LaunchInput {
  /** Long id, 64 hex digits. */
  readonly id: string;
  /** The container's own directory on the host, such as `/var/lib/caisson/containers/<id>`. */
  readonly directory: string;
  /**
   * Target of the `owner` link in that directory: the process that may clean up. Undefined for a detached container,
   * whose directory exists already, and is not removed.
   */
  readonly owner: string | undefined;
  /** Directories to make in it, a parent before what is inside it; for a container with an owner. */
  readonly directories?: readonly string[] | undefined;
  readonly root: RootPlan;
  /** The writable layer of an overlay; undefined: below `directory`, without a limit of its own. */
  readonly layer?: LayerPlan | undefined;
  /** By the destinations of mounts of the type `image`. */
  readonly images?: ReadonlyMap<string, ImagePlan> | undefined;
  /**
   * Device nodes that lie in the root can be opened, as far as the device filter lets them. Otherwise only
   * those of `spec.linux.devices` can be opened, which are in a tmpfs of the engine.
   */
  readonly devicesInRoot?: boolean | undefined;
  /** Sysctls of its network, if the kernel has them; those of the spec follow. */
  readonly networkSysctls?: Readonly<Record<string, string | number>> | undefined;
  readonly files: readonly InjectedFile[];
  readonly cgroup: CgroupPlan;
  /** The parent of its cgroups, if the caller has named one. */
  readonly cgroupParent?: string | undefined;
  /** Directories of volumes that are removed with a detached container. */
  readonly volumesToRemove?: readonly string[] | undefined;
  /** Frozen layers that are released with a detached container. */
  readonly layersToRelease?: FrozenLayers | undefined;
  /** Compiled filter: an array of `struct sock_filter`, 8 bytes each. */
  readonly seccomp?: Uint8Array | undefined;
  /** SECCOMP_FILTER_FLAG_* bits. */
  readonly seccompFlags?: number | undefined;
  /** caisson-init stays as pid 1, reaps and forwards signals. */
  readonly init: boolean;
  /**
   * It waits until Node lets it go on, with another command (`claimedCommand`) or with its own: right before it executes that, or
   * before its seccomp filter, which may forbid what the wait needs.
   */
  readonly parks?: 'before exec' | 'before filter' | undefined;
  /** Undefined for root. */
  readonly rootless?: RootlessInput | undefined;
  readonly helper?: HelperPlan | undefined;
  readonly resolver?: WithOwnTexts<ResolverPlan> | undefined;
  /** Its interfaces, if it has more than the loopback device. */
  readonly bridges?: WithOwnTexts<BridgePlan> | undefined;
  readonly joined?: JoinedNamespaces | undefined;
  /** The file of a network namespace to have in place of one of its own. */
  readonly networkFile?: string | undefined;
  readonly stdin: StdioPlan;
  readonly stdout: StdioPlan;
  readonly stderr: StdioPlan;
  /** The terminal's size in characters, where `spec.process.terminal`. */
  readonly terminal?: { readonly cols: number; readonly rows: number } | undefined;
}
