/**
 * What a caller may ask of a container: Docker's words in camelCase, with Docker's meaning and units where
 * Docker has the word (https://docs.docker.com/reference/cli/docker/container/run/).
 */
import type { OnProgress } from '../../image/image-progress.js';
import type { PolicyOptions } from '../../network/policy/rules.js';
import type { FirstConnectionOptions, NetworkConnection } from './network-connections.js';
import type { Size } from '../../base/units.js';
import type { MountOption, VolumeUser } from './mount-types.js';
import type { ExposeOption, PortOption } from './ports.js';

/**
 * Where one of the standard streams goes: into the Execution, nowhere (`ignore`, as Node calls it, and `null` mean the same:
 * /dev/null), or to this process's own stream.
 */
export type Stdio = 'pipe' | 'ignore' | 'null' | 'inherit';

/** A limit on one block device of the host: `/dev/sda:1m`, or its parts. */
export type DeviceRate =
  | string
  | {
      /** Absolute, of the device node on the host. */
      readonly path: string;
      /** A second: bytes, or operations. */
      readonly rate: Size;
    };

/** The size of a terminal, in characters. */
export interface TerminalSize {
  /** 1 to 65535. */
  readonly cols: number;
  /** 1 to 65535. */
  readonly rows: number;
}

/** Soft and hard limit; -1 is "no limit". */
export interface Ulimit {
  /** What applies until the program changes it. In the unit of the limit: getrlimit(2). */
  readonly soft: number;
  /** Default: the soft limit. */
  readonly hard?: number | undefined;
}

/** What `Engine.run` can be asked for. An unknown option is ERR_INVALID_OPTION. */
export interface RunOptions
  extends
    ImageOptions,
    ProcessOptions,
    IsolationOptions,
    ResourceOptions,
    MountOptions,
    NetworkOptions {
  /** `[a-zA-Z0-9][a-zA-Z0-9_.-]+`. Default: one made of two words. */
  readonly name?: string | undefined;
  /** A record, or `key=value` strings. Shown by `inspect`, and matched by filters. */
  readonly labels?: Readonly<Record<string, string>> | readonly string[] | undefined;
}

/** When an image is pulled: `always` also if it is there, for a newer one of that name; `missing` only if it is not there. */
export type PullPolicy = 'always' | 'missing' | 'never';

/** How the image is found, if it is one of the store. The host image and root directories are always there, and for this machine. */
export interface ImageOptions {
  /** When it is pulled. Default `missing`. */
  readonly pull?: PullPolicy | undefined;
  /** For which platform: `linux/arm64`, `arm64`, `linux/arm/v7`. Default: this machine's, if the image has it. */
  readonly platform?: string | undefined;
  /** Called while an image that is not there yet is pulled. */
  readonly onProgress?: OnProgress | undefined;
}

/** The program, its streams, and its limits in time and output. */
export interface ProcessOptions {
  /** A record, or `NAME=value` strings; `NAME` alone (in a record: undefined) takes the image's variable away. */
  readonly env?: Readonly<Record<string, string | undefined>> | readonly string[] | undefined;
  /** Absolute. Default: the image's, else `/`. */
  readonly workdir?: string | undefined;
  /** `name|uid[:group|gid]`, looked up in the container's own account files. Default: the image's, else root. */
  readonly user?: string | undefined;
  /** Further groups of the program, by name or number, looked up as `user` is. */
  readonly groupAdd?: readonly (string | number)[] | undefined;
  /** In place of the image's, whose command is dropped with it. Empty: no entrypoint. */
  readonly entrypoint?: string | readonly string[] | undefined;
  /** caisson-init stays as pid 1, reaps and forwards signals. Default true. */
  readonly init?: boolean | undefined;
  /** A terminal of the container's own. `true` is 80 × 24. */
  readonly tty?: boolean | TerminalSize | undefined;
  /** Default `ignore`; with a terminal `pipe`. */
  readonly stdin?: Stdio | undefined;
  /** Default `pipe`. */
  readonly stdout?: Stdio | undefined;
  /** Default `pipe`. */
  readonly stderr?: Stdio | undefined;
  /** Milliseconds from the start until the whole container is killed. */
  readonly timeout?: number | undefined;
  /** Aborting kills the whole container. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Bytes captured of each stream, which take about as many bytes of memory. What comes after is dropped, and it
   * ends the container where the stream has no reader. Default 100 MiB; at most what a JavaScript string can hold
   * (`buffer.constants.MAX_STRING_LENGTH`, half a GiB).
   */
  readonly maxOutput?: Size | undefined;
  /**
   * Bytes of a line when the execution is iterated over: a longer one ends the program, and is ERR_LINE_TOO_LONG.
   * Default 1 MiB.
   */
  readonly maxLine?: Size | undefined;
  /** Name or number of the signal that asks the program to end. Default SIGTERM. */
  readonly stopSignal?: string | number | undefined;
}

/**
 * Another container of this engine, by name or id. It has to run when a container is started that joins its namespaces, and
 * a namespace lasts as long as one of them uses it. The user namespace is joined as well: the kernel gives no process rights
 * in namespaces of another one.
 *
 * ERR_NO_SUCH_CONTAINER. ERR_CONTAINER_NOT_RUNNING. ERR_CONFLICTING_OPTIONS: the containers that are joined have
 * different user namespaces, or that of the host, which has to be asked for (`userns: 'host'`); the namespace is not one that
 * can be joined.
 */
export type JoinedContainer = `container:${string}`;

/** Namespaces, rights and security modules. */
export interface IsolationOptions {
  /** Default: the first 12 digits of the id. */
  readonly hostname?: string | undefined;
  /** NIS domain name. */
  readonly domainname?: string | undefined;
  /**
   * `auto` (default): ids of its own from a free range, or those of the container whose namespaces it joins. `host`: no
   * user namespace. `container:NAME_OR_ID`: the same as that container.
   */
  readonly userns?: 'auto' | 'host' | JoinedContainer | undefined;
  /**
   * Processes: `private` (default); `host`, the machine's; `container:NAME_OR_ID`, those of another container, with whose
   * first process they end. A container that shares them has no init (`init`), and what
   * its program leaves running ends with it. ERR_CGROUP_CONTROLLER_MISSING: without a cgroup it could not be ended.
   */
  readonly pid?: 'private' | 'host' | JoinedContainer | undefined;
  /**
   * Shared memory, semaphores and message queues: `private` (default); `shareable`, which other containers may join;
   * `none`, without /dev/shm; `host`, the machine's, with its /dev/shm; `container:NAME_OR_ID`, that of a container whose
   * own is `shareable`, with its /dev/shm.
   */
  readonly ipc?: 'private' | 'shareable' | 'none' | 'host' | JoinedContainer | undefined;
  /** Host name and NIS domain name: `private` (default), or `host`, the machine's, which excludes `hostname`. */
  readonly uts?: 'private' | 'host' | undefined;
  /** How it sees cgroups: `private` (default), its own as the root; `host`, the machine's paths, as `/proc/self/cgroup` has them. */
  readonly cgroupns?: 'private' | 'host' | undefined;
  /** Capabilities that it has beside the default set (Docker's): with or without `CAP_`, in any case; `ALL`. */
  readonly capAdd?: readonly string[] | undefined;
  /** The same names: what is taken from the default set. With `ALL`, those of `capAdd` are all that it has. */
  readonly capDrop?: readonly string[] | undefined;
  /** All capabilities and devices, no filter, no masks. Implies `userns: 'host'`. */
  readonly privileged?: boolean | undefined;
  /**
   * `no-new-privileges[:true|false]`, `seccomp=FILE|unconfined`, `apparmor=PROFILE|unconfined`, `label=PART:VALUE|disable`.
   *
   * A profile of AppArmor must be loaded; it confines the program and everything that is started in the container later.
   * It has to let them receive signals (`signal (receive) peer=unconfined`), or they cannot be stopped.
   * Without one, containers have that of the process that starts them, mostly none: there is no default profile.
   * ERR_KERNEL_FEATURE_MISSING: the kernel has no AppArmor. ERR_START_FAILED: no such profile is loaded.
   *
   * PART of an SELinux label is `user`, `role`, `type` or `level`, or `filetype` for the container's files; the option may be
   * given once for each. The policy's own labels for containers (`lxc_contexts`) have the rest, and without a level each container
   * has two categories of its own. The program, the init and everything that is started in the container later has the label;
   * the root's overlay, each tmpfs and /dev have that of its files. Volumes, and a root that is used in place, keep the labels
   * that they have. Without any PART no label is set, as with `disable`, which overrides all others.
   * ERR_KERNEL_FEATURE_MISSING: the kernel has no SELinux. ERR_INVALID_OPTION: the policy has no such label, or says nothing
   * of containers and a part is missing. ERR_START_FAILED: the policy does not let this process give the label.
   */
  readonly securityOpt?: readonly string[] | undefined;
  /** The root is mounted read-only. */
  readonly readOnly?: boolean | undefined;
  /** `NAME=value` strings or a record; only those of the container's own namespaces. */
  readonly sysctls?: Readonly<Record<string, string | number>> | readonly string[] | undefined;
}

/** Limits. 0 means "not set", as it does for Docker, unless said otherwise. */
export interface ResourceOptions {
  /** Bytes that its processes may have together, with what they have in tmpfs: at least 4 MiB. Default: no limit. */
  readonly memory?: Size | undefined;
  /**
   * Bytes: at least 4 MiB, and at most `memory`. What it may keep when the machine is short of memory: `memory.low`, with
   * cgroup v1 the soft limit.
   */
  readonly memoryReservation?: Size | undefined;
  /** Bytes of memory and swap together; -1: as much swap as there is. Default: twice `memory`, where swap can be limited. */
  readonly memorySwap?: Size | undefined;
  /** How readily its memory is swapped out: 0 to 100; -1 is "not set". Only with cgroup v1. */
  readonly memorySwappiness?: number | string | undefined;
  /** Its processes wait for memory instead of being killed at the limit. Only with cgroup v1. Default false. */
  readonly oomKillDisable?: boolean | undefined;
  /** How readily the kernel kills its processes for want of memory, in place of others: -1000 to 1000; 0 is a value. */
  readonly oomScoreAdj?: number | string | undefined;
  /** Its weight where containers compete for processors: 2 to 262144. The kernel's default is 1024. */
  readonly cpuShares?: number | string | undefined;
  /** Processors' worth of time: 0.5, at least 0.01. Excludes `cpuPeriod` and `cpuQuota`. */
  readonly cpus?: number | string | undefined;
  /** Microseconds, 1000 to 1000000: in each such period it may run for `cpuQuota`. The kernel's default is 100000. */
  readonly cpuPeriod?: number | string | undefined;
  /** Microseconds of processor time in each period, at least 1000; -1: no limit. */
  readonly cpuQuota?: number | string | undefined;
  /** Processors that it may run on, as a list: `0-3,7`. */
  readonly cpusetCpus?: string | undefined;
  /** Memory nodes that it may have memory of, as such a list. */
  readonly cpusetMems?: string | undefined;
  /** Processes and threads. Default 2048, where this user can limit them; 0 or -1: no limit. */
  readonly pidsLimit?: number | string | undefined;
  /** Its weight where containers compete for a block device: 10 to 1000. */
  readonly blkioWeight?: number | string | undefined;
  /** Limits on reading, by device: bytes a second. */
  readonly deviceReadBps?: readonly DeviceRate[] | undefined;
  /** Limits on writing, by device: bytes a second. */
  readonly deviceWriteBps?: readonly DeviceRate[] | undefined;
  /** Limits on reading, by device: operations a second. */
  readonly deviceReadIops?: readonly DeviceRate[] | undefined;
  /** Limits on writing, by device: operations a second. */
  readonly deviceWriteIops?: readonly DeviceRate[] | undefined;
  /** Files of cgroup v2 and what to write into them, such as `memory.high`: `NAME=value` strings, or a record. */
  readonly cgroupConf?: Readonly<Record<string, string | number>> | readonly string[] | undefined;
  /**
   * The cgroup that the container's is made in, which is made where it is missing, and stays: a path, `/batch/low`; where
   * systemd is asked for scopes, a slice, `batch-low.slice`. Default: `/caisson`, `system.slice`, `user.slice`.
   */
  readonly cgroupParent?: string | undefined;
  /** `NAME=soft[:hard]` strings, or a record: `{ nofile: 1024 }`. Names and units are those of getrlimit(2). */
  readonly ulimits?: Readonly<Record<string, number | Ulimit>> | readonly string[] | undefined;
}

/** What it sees of files and devices beside its image. */
export interface MountOptions {
  /**
   * `source:target[:options]`. The source is an absolute path on the host, with the options `ro rw rbind bind`, the propagations,
   * `idmap=` with one of `VolumeUser`, and `beneath=/directory` (`within` of a mount); or the name of a volume, with `ro rw nocopy`.
   * A target alone is an anonymous volume.
   */
  readonly volumes?: readonly string[] | undefined;
  /** The same with names for what is asked for, as one `--mount` each. */
  readonly mounts?: readonly MountOption[] | undefined;
  /**
   * Names or ids of detached containers whose volumes and binds it has too, at the same paths: `NAME[:ro|:rw]`. What the container itself
   * mounts at such a path goes before. ERR_NO_SUCH_CONTAINER.
   */
  readonly volumesFrom?: readonly string[] | undefined;
  /**
   * Of all binds that do not say it themselves. Default: `host` where it is harmless, for a source that is
   * read-only, or that no other user of the host can reach (a directory on its path is accessible to root only, mode 0700).
   * Otherwise `owner`, or `nobody` if the owner is the host's root: a container must not leave programs of root for other users.
   * Rootless containers, and those with `userns: 'host'`, have `host`.
   */
  readonly idmap?: VolumeUser | undefined;
  /**
   * Target to mount options, or `target[:options]` strings: tmpfs(5). Mode and owner are those of the directory that is there,
   * unless `mode`, `uid` or `gid` says otherwise. What is in one
   * counts as the container's memory; with a memory limit its size is half of that unless `size` says otherwise, without one half
   * of the machine's memory.
   */
  readonly tmpfs?: Readonly<Record<string, string>> | readonly string[] | undefined;
  /**
   * `/dev/x[:/dev/y][:rwm]`: the devices of the host that the container has. Access without `r` or without `w` needs a
   * device filter, and is an error where there is none.
   */
  readonly devices?: readonly string[] | undefined;
  /**
   * What it may do with devices that it makes or is shown otherwise: `c 10:200 rwm`, `b 8:* r`. Only with rules, and with
   * `privileged`, can device nodes be opened that lie in its root or in a volume. Needs a device filter
   * (docs/security.md): an error where there is none.
   */
  readonly deviceCgroupRules?: readonly string[] | undefined;
  /**
   * `size`: of the writable layer, at least 8 MiB; a full one is ENOSPC for the container alone. Also as `size=10g`
   * strings. The layer of `Engine.run` is then a tmpfs: its files are in memory, and count as the container's. The layer of a
   * detached container is an ext4 file system in a sparse file below the data root, of which its tables take a few percent; it
   * needs mke2fs (package e2fsprogs) and loop devices. A rootless container can have a size if it is removed at its end (`run`,
   * `autoRemove`; a `restart` then begins with an empty layer), from Linux 6.6 on.
   *
   * ERR_INVALID_OPTION: too small. ERR_UNSUPPORTED_OPTION: another name than `size`; mke2fs is missing; any other rootless
   * container. ERR_KERNEL_FEATURE_MISSING: no loop devices. ERR_CONFLICTING_OPTIONS: a root that is used in place has
   * no layer.
   */
  readonly storageOpt?:
    | {
        /** Bytes. */
        readonly size?: Size | undefined;
      }
    | readonly string[]
    | undefined;
  /** Bytes of /dev/shm. Default 64 MiB. */
  readonly shmSize?: Size | undefined;
  /** Pseudoterminals that can be open in it at once, of those that the whole machine has. Default 256. */
  readonly ptyLimit?: number | string | undefined;
}

/** The last one: the name of a network that was created, its id, or the beginning of that. */
export type Network =
  | 'none'
  | 'host'
  | 'bridge'
  | JoinedContainer
  | `ns:${string}`
  | 'pasta'
  | 'slirp4netns'
  | `pasta:${string}`
  | `slirp4netns:${string}`
  | (string & {});

/** A network with a bridge, and a policy for the container's outgoing connections: docs/network-policy.md. */
export interface RestrictedNetwork extends PolicyOptions {
  /** `bridge` (default), or the name of a network that was created, its id, or the beginning of that. */
  readonly name?: string | undefined;
}

/** Its network, its ports and its names. */
export interface NetworkOptions extends FirstConnectionOptions {
  /**
   * `none` (default): loopback only. `host`: the machine's own. `pasta` and `slirp4netns`: what an ordinary process of the
   * host's may reach, by the program of that name, with its options as podman spells them: `pasta:--mtu,1500,-t,8080:80`,
   * `slirp4netns:mtu=1500,cidr=10.1.0.0/24`. `bridge` and created networks: an interface with an address of its own; of a rootless user, in a network namespace that
   * all of that user's containers share, which needs pasta. `container:NAME_OR_ID`: that of another container, with its name and its /etc/hosts, /etc/hostname and
   * /etc/resolv.conf as they are at the start; excludes the options for these. `ns:PATH`: the network namespace that this
   * file is (`/run/netns/NAME` of ip-netns(8)). An object: a network with a bridge, and what the container may connect to:
   * what no rule allows is refused, and counted (`RunResult.network`).
   * ERR_INVALID_OPTION: a rule is wrong. ERR_CONFLICTING_OPTIONS: not a network with a bridge.
   */
  readonly network?: Network | RestrictedNetwork | undefined;
  /**
   * Further networks with a bridge, by name, or with what is wanted there; without `network`, or its name, all of them. The
   * interfaces are eth0, eth1 … in this order.
   */
  readonly networks?: readonly (string | NetworkConnection)[] | undefined;
  /** Further names of the container in a network that was created. */
  readonly networkAliases?: readonly string[] | undefined;
  /** IPv4 address in a network that was created. Default: the next free one. */
  readonly ip?: string | undefined;
  /** The same of IPv6, if the network has it. */
  readonly ip6?: string | undefined;
  /**
   * Ports of the host that lead to ports of the container, as Docker's `--publish`: `8080:80`, `127.0.0.1:53:53/udp`,
   * `8000-8010:8000-8010`, `80` for a free port of the host. Needs a network with a bridge, or `pasta` or `slirp4netns`, which
   * forward TCP and UDP (slirp4netns: of IPv4).
   */
  readonly ports?: readonly PortOption[] | undefined;
  /** Ports on which it listens: `80`, `53/udp`, `8000-8010`. They are shown by `inspect`, and published by `publishAll`. */
  readonly expose?: readonly ExposeOption[] | undefined;
  /** Publishes each port of `expose` that `ports` does not publish, on a free port of the host. */
  readonly publishAll?: boolean | undefined;
  /** Of its interface on a bridge. Default: one that follows from the IPv4 address. */
  readonly macAddress?: string | undefined;
  /** Further addresses of that interface: of 169.254.0.0/16 or fe80::/10. */
  readonly linkLocalIps?: readonly string[] | undefined;
  /** Lines of /etc/hosts: `name:ip`; `host-gateway` in place of an address is the host's. */
  readonly addHost?: readonly string[] | undefined;
  /** Addresses of name servers. */
  readonly dns?: readonly string[] | undefined;
  /** Domains in which short names are looked up; `.`: none. */
  readonly dnsSearch?: readonly string[] | undefined;
  /** Lines `options` of resolv.conf(5), such as `ndots:2`. */
  readonly dnsOption?: readonly string[] | undefined;
}

/** Without its policy. */
export function networkText({
  network,
  networks = [],
}: Pick<NetworkOptions, 'network' | 'networks'>): Network | undefined {
  if (typeof network !== 'object') return network;
  return network.name ?? (networks.length > 0 ? undefined : 'bridge');
}

/** Without its options; undefined: it is that of another container, or of a file. */
export function networkName(
  options: Pick<NetworkOptions, 'network' | 'networks'>,
): string | undefined {
  const network = networkModeOf(options);
  if (/^(?:container|ns):/.test(network)) return undefined;
  const colon = network.indexOf(':');
  return colon < 0 ? network : network.slice(0, colon);
}

/** What a container was created with: the first of several networks. */
export function networkModeOf(options: Pick<NetworkOptions, 'network' | 'networks'>): string {
  const [first] = options.networks ?? [];
  return networkText(options) ?? (typeof first === 'object' ? first.network : first) ?? 'none';
}

/** Of options that were checked: whether it has its own addresses, in the network `bridge` or one that was created. */
export function isOnBridges(options: Pick<NetworkOptions, 'network' | 'networks'>): boolean {
  const name = networkName(options);
  return name !== undefined && !NOT_BRIDGES.has(name);
}

/** Of options that were checked: whether `ContainerInfo` has networks or ports. */
export function hasNetworkInfo(
  options: Pick<NetworkOptions, 'network' | 'networks' | 'ports' | 'expose' | 'publishAll'>,
): boolean {
  const { ports = [], expose = [], publishAll = false } = options;
  if (isOnBridges(options)) return true;
  const name = networkName(options);
  const isUserMode = name === 'pasta' || name === 'slirp4netns';
  return isUserMode && (ports.length > 0 || expose.length > 0 || publishAll);
}

const NOT_BRIDGES: ReadonlySet<string> = new Set(['none', 'host', 'pasta', 'slirp4netns']);

type Keys<T> = { readonly [K in keyof Required<T>]: true };

/** Every option that there is; the type keeps the list complete. */
export const RUN_OPTION_NAMES: Keys<RunOptions> = {
  pull: true,
  platform: true,
  onProgress: true,
  name: true,
  labels: true,
  env: true,
  workdir: true,
  user: true,
  groupAdd: true,
  entrypoint: true,
  init: true,
  tty: true,
  stdin: true,
  stdout: true,
  stderr: true,
  timeout: true,
  signal: true,
  maxOutput: true,
  maxLine: true,
  stopSignal: true,
  hostname: true,
  domainname: true,
  userns: true,
  pid: true,
  ipc: true,
  uts: true,
  cgroupns: true,
  capAdd: true,
  capDrop: true,
  privileged: true,
  securityOpt: true,
  readOnly: true,
  sysctls: true,
  memory: true,
  memoryReservation: true,
  memorySwap: true,
  memorySwappiness: true,
  oomKillDisable: true,
  oomScoreAdj: true,
  cpuShares: true,
  cpus: true,
  cpuPeriod: true,
  cpuQuota: true,
  cpusetCpus: true,
  cpusetMems: true,
  pidsLimit: true,
  blkioWeight: true,
  deviceReadBps: true,
  deviceWriteBps: true,
  deviceReadIops: true,
  deviceWriteIops: true,
  cgroupConf: true,
  cgroupParent: true,
  ulimits: true,
  volumes: true,
  volumesFrom: true,
  mounts: true,
  idmap: true,
  tmpfs: true,
  devices: true,
  deviceCgroupRules: true,
  storageOpt: true,
  shmSize: true,
  ptyLimit: true,
  network: true,
  networks: true,
  networkAliases: true,
  ports: true,
  expose: true,
  publishAll: true,
  ip: true,
  ip6: true,
  macAddress: true,
  linkLocalIps: true,
  addHost: true,
  dns: true,
  dnsSearch: true,
  dnsOption: true,
};
