/** The stored files of a container (docs/lifecycle.md), and what `inspect` and `list` report. */
import type { CgroupLocation } from '../../cgroup/cgroup-paths.js';
import type { ImageDefaults } from '../../image/snapshots/image-defaults.js';
import type { Protocol } from '../../network/firewall/port-bindings.js';
import type { DeniedConnection } from '../../network/policy/denied.js';
import type { Healthcheck } from '../options/healthcheck.js';
import type { LogConfig } from '../options/log-config.js';
import type { MountConfig } from '../options/mount-config.js';
import type { NetworkConnection } from '../options/network-connections.js';
import type { RunOptions } from '../options/options.js';
import type { RestartPolicy } from '../options/restart-policy.js';

/** `config.json`. */
export interface StoredConfig extends CgroupLocation {
  /** Of the format. */
  readonly version: 1;
  /** Long id. */
  readonly id: string;
  /** Without a leading slash. */
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly created: string;
  /** What it was made from. */
  readonly image: StoredName | StoredRootfs;
  /** The arguments as they were given. */
  readonly argv: readonly string[];
  /** With what the image's entrypoint and command have made of them. */
  readonly command: readonly string[];
  /** Everything but what only the caller's process can hold (`signal`, streams, `timeout`). */
  readonly options: RunOptions;
  /** Its networks with a bridge since `network connect` or `disconnect` has changed them; until then, those of `options`. */
  readonly connections?: readonly NetworkConnection[] | undefined;
  /** What happens when its program ends. */
  readonly restart: RestartPolicy;
  /** Removed when it has exited. */
  readonly autoRemove: boolean;
  /** Where its output goes. */
  readonly log: LogConfig;
  /** The number of the signal. */
  readonly stopSignal: number;
  /** Seconds; -1: for ever. */
  readonly stopTimeout: number;
  /** A standard input that stays open. */
  readonly openStdin: boolean;
  /** It ends with the first client that was attached to it. */
  readonly stdinOnce: boolean;
  /** Undefined: it has none. */
  readonly healthcheck?: Healthcheck | undefined;
  /** Layers between its own and its image's, the top one first: what it, or the one that it is a fork of, had written before a fork. */
  readonly layers?: readonly string[] | undefined;
  /** Long id of the container that it is a fork of, which may be gone. */
  readonly forkedFrom?: string | undefined;
  /** Its mounts, if the options alone do not say all of them: volumes have names, and others come from the image. */
  readonly mounts?: readonly MountConfig[] | undefined;
}

/** The host image, or one of the store. */
export interface StoredName {
  /** Tells it from a root directory. */
  readonly kind: 'name';
  /** As it was given. */
  readonly name: string;
  /** Of an image of the store: digests of its manifest for the platform, and of its configuration. */
  readonly manifest?: string | undefined;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly id?: string | undefined;
  /** What it says of its containers: the image may be removed before the container is. */
  readonly defaults?: ImageDefaults | undefined;
}

/** A root directory. */
export interface StoredRootfs {
  /** Tells it from an image with a name. */
  readonly kind: 'rootfs';
  /** Absolute. */
  readonly path: string;
  /** As `RootfsWritable`. */
  readonly writable: 'overlay' | 'direct' | 'none';
}

/** What the supervisor writes; `ContainerStatus` has what it amounts to. */
export type StoredStatus = 'created' | 'running' | 'restarting' | 'exited' | 'removing';

/** `state.json`. Missing is `created`. */
export interface StoredState {
  /** What was written last: also of a container whose supervisor was killed. */
  readonly status: StoredStatus;
  /** Of the container's first process, on the host; 0: none. */
  readonly pid: number;
  /** Field 22 of /proc/PID/stat. */
  readonly startTime: string;
  /** Its supervisor: `pid start-time boot-id` (owner.ts); empty: none. */
  readonly supervisor: string;
  /** The first host id of its users; 0 with the host's own. */
  readonly idBase: number;
  /** ISO 8601, UTC, nanoseconds; empty: never. */
  readonly startedAt: string;
  /** The same of the end of the last run. */
  readonly finishedAt: string;
  /** The program's own, or 128+n. */
  readonly exitCode: number;
  /** The kernel killed a process of the last run for want of memory. */
  readonly oomKilled: boolean;
  /** Why it could not be started, or why its end is not known; empty otherwise. */
  readonly error: string;
  /** How often the restart policy has started it since its last `start`. */
  readonly restartCount: number;
  /** Its end was asked for: `always` and `unless-stopped` do not apply until the next start. */
  readonly stopped: boolean;
  /** Bytes of output that could not be written to the log. */
  readonly logLost: number;
}

/** `starting` until a check has succeeded, or enough have failed. */
export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

/** `health.json`, where there is a health check: of the present run, or the last one. */
export interface StoredHealth {
  /** By the last results. */
  readonly status: HealthStatus;
  /** Failures since the last success, or since the start. */
  readonly failingStreak: number;
  /** The last five, oldest first. */
  readonly log: readonly HealthResult[];
}

/** One check. */
export interface HealthResult {
  /** ISO 8601, UTC, nanoseconds. */
  readonly start: string;
  /** The same of its end. */
  readonly end: string;
  /** The check's own, or 128+n; -1: it took too long, or could not be started. */
  readonly exitCode: number;
  /** Up to 4096 bytes of what it wrote, and `...` when that is not all; before it, why it was ended. */
  readonly output: string;
}

/** As Docker's: what `ps` filters by. */
export type ContainerStatus =
  'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'removing' | 'dead';

/** One container, as `list` and `inspect` have it. */
export interface ContainerInfo {
  /** What it was created with, as `update` and the like have changed it. */
  readonly config: StoredConfig;
  /** Of the present run, or the last one. */
  readonly state: StoredState;
  /** What it does now. */
  readonly status: ContainerStatus;
  /** Undefined without a health check, and before the first start. What does not run is unhealthy. */
  readonly health?: StoredHealth | undefined;
  /** Networks with a bridge; undefined if it has another kind of network, or one that was removed. */
  readonly networks?: readonly EndpointInfo[] | undefined;
  /** The ports of the host that lead to it now; undefined as `networks`, and if this process may not see the firewall. */
  readonly ports?: readonly PortInfo[] | undefined;
  /** The other ports that it says it has, while it runs with addresses of its own. */
  readonly exposed?: readonly Pick<PortInfo, 'containerPort' | 'protocol'>[] | undefined;
  /** What its policy has refused, of the present run or the last one; undefined without a policy. */
  readonly denied?: readonly DeniedConnection[] | undefined;
}

/** A container in a network. What it has only while it runs is undefined otherwise. */
export interface EndpointInfo {
  /** Name. */
  readonly network: string;
  /** Long id. */
  readonly networkId: string;
  /** With the length of the subnet's prefix: `172.17.0.2/16`. */
  readonly ipv4?: string | undefined;
  /** Undefined also where no route leads out of the network. */
  readonly gateway?: string | undefined;
  /** The same of IPv6. */
  readonly ipv6?: string | undefined;
  /** The same of IPv6. */
  readonly ipv6Gateway?: string | undefined;
  /** Lower case, with colons. */
  readonly mac?: string | undefined;
  /** As they were asked for. */
  readonly aliases: readonly string[];
  /** Of these, what was asked for. */
  readonly wanted: Pick<NetworkConnection, 'ip' | 'ip6' | 'linkLocalIps'>;
  /** As in `ConnectOptions`. */
  readonly gatewayPriority: number;
  /** The names that other containers of the network find it by: none in `bridge`. */
  readonly dnsNames: readonly string[];
}

/** A port of the host that leads to the container. */
export interface PortInfo {
  /** Address of the host; `0.0.0.0` and `::` are all of one family. */
  readonly hostIp: string;
  /** 1 to 65535. */
  readonly hostPort: number;
  /** 1 to 65535. */
  readonly containerPort: number;
  /** Of both ports. */
  readonly protocol: Protocol;
}

/** One line of `events`. */
export type EngineEvent = ContainerEvent | NetworkEvent | VolumeEvent | ImageEvent;

/** What has happened to an image. */
export interface ImageEvent {
  /** Tells it from events of other things. */
  readonly type: 'image';
  /** As Docker names it. */
  readonly action:
    'pull' | 'push' | 'tag' | 'untag' | 'delete' | 'load' | 'save' | 'import' | 'build' | 'prune';
  /** `sha256:…`; with pull and push, the name; with prune, empty. */
  readonly id: string;
  /** `name`; with prune `reclaimed`, bytes. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Nanoseconds since 1970, UTC. */
  readonly timeNano: string;
}

/** What has happened to a volume. */
export interface VolumeEvent {
  /** Tells it from events of other things. */
  readonly type: 'volume';
  /** As Docker names it. */
  readonly action: 'create' | 'mount' | 'unmount' | 'destroy';
  /** Name. */
  readonly id: string;
  /** `driver`; with mount and unmount `container`, a long id; with mount `destination`, `read/write` and `propagation`. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Nanoseconds since 1970, UTC. */
  readonly timeNano: string;
}

/** What has happened to a network. */
export interface NetworkEvent {
  /** Tells it from events of other things. */
  readonly type: 'network';
  /** As Docker names it; `denied`: a policy has refused connections. */
  readonly action: 'create' | 'destroy' | 'connect' | 'disconnect' | 'denied';
  /** Long id. */
  readonly id: string;
  /**
   * `name`, and `type`, which is the driver; `container` with connect, disconnect and denied: a long id. With
   * denied what `DeniedConnection` has; `count` is what has come to it since the last event of the destination.
   */
  readonly attributes: Readonly<Record<string, string>>;
  /** Nanoseconds since 1970, UTC. */
  readonly timeNano: string;
}

/** What has happened to a container. */
export interface ContainerEvent {
  /** Tells it from events of other things. */
  readonly type: 'container';
  /** Docker's: create start die kill stop pause unpause restart oom rename update exec_create attach destroy … */
  readonly action: string;
  /** Long id. */
  readonly id: string;
  /** Name, image, labels; `exitCode` with die, `signal` with kill, `oldName` with rename. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Nanoseconds since 1970, UTC. */
  readonly timeNano: string;
}
