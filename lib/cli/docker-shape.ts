/** A container as `docker inspect` prints it: names and shapes of Docker's API (container inspect, v1.50). */
import { hostname } from 'node:os';
import { MASKED_PATHS, NO_PATHS, READONLY_PATHS } from '../engine/spec/default-spec.js';
import { SHM_SIZE } from '../engine/options/defaults.js';
import { DEFAULT_STOP_TIMEOUT } from '../engine/options/create-options.js';
import { normalizeDevices } from '../engine/options/devices.js';
import { DEFAULT_PATH, normalizeEnv } from '../engine/options/env.js';
import { shortId } from '../base/ids.js';
import { labelsOf } from '../engine/options/labels.js';
import { normalizeMounts } from '../engine/options/mounts.js';
import { type DeviceRate, networkName, type RunOptions } from '../engine/options/options.js';
import type { ContainerInfo, StoredHealth } from '../engine/store/stored.js';
import type { Healthcheck } from '../engine/options/healthcheck.js';
import type { LogConfig } from '../engine/options/log-config.js';
import { storageOptions } from '../engine/options/storage-opt.js';
import { normalizeUlimits, RLIM_INFINITY } from '../engine/options/ulimits.js';
import { parseCpus, parseRate, parseSize } from '../base/units.js';
import { addFields } from './api-fields.js';
import { isStringMap, markStringMap, markStruct } from './template.js';

/** What only the engine knows; what is missing is left empty. */
export interface InspectExtra {
  /** Identity of the image; default: its name. */
  readonly imageId?: string;
  readonly imageEnv?: readonly string[];
  readonly imageEntrypoint?: readonly string[];
  readonly imageWorkdir?: string;
  readonly imageUser?: string;
  readonly imageLabels?: Readonly<Record<string, string>>;
  /** Absolute paths on the host. */
  readonly logPath?: string;
  readonly resolvConfPath?: string;
  readonly hostnamePath?: string;
  readonly hostsPath?: string;
  readonly upperDir?: string;
  readonly workDir?: string;
  readonly selinux?: { readonly process: string; readonly mount: string } | undefined;
  /** Ids of running execs. */
  readonly execIds?: readonly string[];
  /** With `--size`: bytes. */
  readonly sizeRw?: number;
  readonly sizeRootFs?: number;
  /** A memory limit alone limits swap to as much again. */
  readonly swapLimit?: boolean;
}

/** Docker's zero time. */
const NEVER = '0001-01-01T00:00:00Z';

export function inspectShape(info: ContainerInfo, extra: InspectExtra = {}): object {
  return markStructs(shapeOf(info, extra));
}

/** Go's maps with keys of any name: all else are structs, where a field that is not there is a mistake. */
const MAPS: ReadonlySet<string> = new Set(['Networks', 'Ports', 'PortBindings', 'Volumes']);

function markStructs<T extends object>(value: T, isMap = false): T {
  for (const [key, member] of Object.entries(value) as [string, unknown][]) {
    if (typeof member === 'object' && member !== null) markStructs(member, MAPS.has(key));
  }
  if (isMap || Array.isArray(value) || isStringMap(value)) return value;
  return markStruct('Container', value);
}

function shapeOf(info: ContainerInfo, extra: InspectExtra): object {
  const { config, state, status, health } = info;
  const [path = '', ...args] = config.command;
  return addFields('Container', {
    Id: config.id,
    Created: config.created,
    Path: path,
    Args: args,
    State: addFields('State', {
      Status: status,
      // Docker counts a container that waits for its restart among the running ones.
      Running: status === 'running' || status === 'paused' || status === 'restarting',
      Paused: status === 'paused',
      Restarting: status === 'restarting',
      OOMKilled: state.oomKilled,
      Dead: status === 'dead',
      Pid: state.pid,
      ExitCode: state.exitCode,
      Error: state.error,
      StartedAt: state.startedAt === '' ? NEVER : state.startedAt,
      FinishedAt: state.finishedAt === '' ? NEVER : state.finishedAt,
      ...(health === undefined ? {} : { Health: healthOf(health) }),
    }),
    Image: extra.imageId ?? imageName(info),
    ResolvConfPath: extra.resolvConfPath ?? '',
    HostnamePath: extra.hostnamePath ?? '',
    HostsPath: extra.hostsPath ?? '',
    LogPath: config.log.driver === 'none' ? '' : (extra.logPath ?? ''),
    Name: `/${config.name}`,
    RestartCount: state.restartCount,
    Driver: 'overlay',
    Platform: 'linux',
    MountLabel: extra.selinux?.mount ?? '',
    ProcessLabel: extra.selinux?.process ?? '',
    AppArmorProfile: appArmorOf(config.options.securityOpt),
    ExecIDs: extra.execIds === undefined || extra.execIds.length === 0 ? null : extra.execIds,
    HostConfig: hostConfig(info, extra),
    GraphDriver: {
      Data:
        extra.upperDir === undefined
          ? null
          : markStringMap({ UpperDir: extra.upperDir, WorkDir: extra.workDir ?? '' }),
      Name: 'overlay',
    },
    ...(extra.sizeRw === undefined ? {} : { SizeRw: extra.sizeRw }),
    ...(extra.sizeRootFs === undefined ? {} : { SizeRootFs: extra.sizeRootFs }),
    Mounts: mountPoints(config.options),
    Config: containerConfig(info, extra),
    NetworkSettings: networkSettings(networkName(config.options)),
  });
}

function healthOf({ status, failingStreak, log }: StoredHealth): object {
  return {
    Status: status,
    FailingStreak: failingStreak,
    Log: log.map(({ start, end, exitCode, output }) => ({
      Start: start,
      End: end,
      ExitCode: exitCode,
      Output: output,
    })),
  };
}

/** Docker's counts nanoseconds, and leaves out what was not said. */
function healthcheck(check: Healthcheck): object {
  const { test, retries } = check;
  const time = (name: string, milliseconds: number) =>
    milliseconds === 0 ? {} : { [name]: milliseconds * 1e6 };
  return addFields('Healthcheck', {
    Test: typeof test === 'string' ? ['CMD-SHELL', test] : ['CMD', ...test],
    ...time('Interval', check.interval),
    ...time('Timeout', check.timeout),
    ...time('StartPeriod', check.startPeriod),
    ...time('StartInterval', check.startInterval),
    ...(retries === 0 ? {} : { Retries: retries }),
  });
}

function imageName({ config: { image } }: ContainerInfo): string {
  return image.kind === 'name' ? image.name : image.path;
}

function hostConfig({ config }: ContainerInfo, { swapLimit }: InspectExtra): object {
  const { options } = config;
  const memory = size('memory', options.memory);
  const swap = options.memorySwap;
  const { storageOpt, tmpfs, sysctls } = options;
  const mounts = (options.mounts ?? []).map((mount) => apiMount(mount));
  return addFields('HostConfig', {
    Binds: options.volumes ?? null,
    ContainerIDFile: '',
    ConsoleSize: [0, 0],
    LogConfig: logConfig(config.log),
    NetworkMode: options.network ?? 'none',
    PortBindings: {},
    RestartPolicy: {
      Name: config.restart.name,
      MaximumRetryCount: config.restart.maximumRetryCount,
    },
    AutoRemove: config.autoRemove,
    VolumeDriver: '',
    VolumesFrom: null,
    CapAdd: capabilities(options.capAdd),
    CapDrop: capabilities(options.capDrop),
    CgroupnsMode: 'private',
    Dns: options.dns ?? [],
    DnsOptions: options.dnsOption ?? [],
    DnsSearch: options.dnsSearch ?? [],
    ExtraHosts: options.addHost ?? null,
    GroupAdd: options.groupAdd?.map(String) ?? null,
    IpcMode: 'private',
    Cgroup: '',
    Links: null,
    OomScoreAdj: Number(options.oomScoreAdj ?? 0),
    PidMode: '',
    Privileged: options.privileged ?? false,
    PublishAllPorts: false,
    ReadonlyRootfs: options.readOnly ?? false,
    SecurityOpt: options.securityOpt ?? null,
    ...(storageOpt === undefined ? {} : { StorageOpt: markStringMap(storageOf(storageOpt)) }),
    ...(tmpfs === undefined ? {} : { Tmpfs: markStringMap(tmpfsOf(tmpfs)) }),
    UTSMode: '',
    UsernsMode: options.userns === 'host' || options.privileged === true ? 'host' : '',
    ShmSize: options.shmSize === undefined ? SHM_SIZE : size('shmSize', options.shmSize),
    ...(sysctls === undefined ? {} : { Sysctls: markStringMap(sysctlsOf(sysctls)) }),
    Runtime: 'caisson',
    ...(options.init === undefined || options.init === false ? {} : { Init: options.init }),
    Isolation: '',
    CpuShares: Number(options.cpuShares ?? 0),
    Memory: memory,
    NanoCpus: options.cpus === undefined ? 0 : parseCpus('cpus', options.cpus),
    CgroupParent: options.cgroupParent ?? '',
    BlkioWeight: Number(options.blkioWeight ?? 0),
    BlkioWeightDevice: [],
    BlkioDeviceReadBps: rates('deviceReadBps', options.deviceReadBps, 'bps'),
    BlkioDeviceWriteBps: rates('deviceWriteBps', options.deviceWriteBps, 'bps'),
    BlkioDeviceReadIOps: rates('deviceReadIops', options.deviceReadIops, 'iops'),
    BlkioDeviceWriteIOps: rates('deviceWriteIops', options.deviceWriteIops, 'iops'),
    CpuPeriod: Number(options.cpuPeriod ?? 0),
    CpuQuota: Number(options.cpuQuota ?? 0),
    CpuRealtimePeriod: 0,
    CpuRealtimeRuntime: 0,
    CpusetCpus: options.cpusetCpus ?? '',
    CpusetMems: options.cpusetMems ?? '',
    Devices: normalizeDevices(options.devices).map(({ source, target, access }) => ({
      PathOnHost: source,
      PathInContainer: target,
      CgroupPermissions: access,
    })),
    DeviceCgroupRules: options.deviceCgroupRules ?? null,
    DeviceRequests: null,
    MemoryReservation: size('memoryReservation', options.memoryReservation),
    MemorySwap:
      swap === undefined
        ? swapLimit === true
          ? memory * 2
          : 0
        : swap === -1 || swap === '-1'
          ? -1
          : size('memorySwap', swap),
    MemorySwappiness:
      options.memorySwappiness === undefined || Number(options.memorySwappiness) < 0
        ? null
        : Number(options.memorySwappiness),
    OomKillDisable: options.oomKillDisable ?? null,
    PidsLimit: options.pidsLimit === undefined ? null : Number(options.pidsLimit),
    Ulimits: normalizeUlimits(options.ulimits).map(({ type, soft, hard }) => ({
      Name: type.slice('RLIMIT_'.length).toLowerCase(),
      Hard: hard === RLIM_INFINITY ? -1 : hard,
      Soft: soft === RLIM_INFINITY ? -1 : soft,
    })),
    ...(mounts.length === 0 ? {} : { Mounts: mounts }),
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    MaskedPaths: options.privileged === true ? NO_PATHS : MASKED_PATHS,
    ReadonlyPaths: options.privileged === true ? NO_PATHS : READONLY_PATHS,
  });
}

/** The profile that was asked for. */
function appArmorOf(securityOpt: RunOptions['securityOpt'] = []): string {
  const asked = securityOpt.filter((text) => /^apparmor[=:]/.test(text)).at(-1);
  return asked === undefined ? '' : asked.slice('apparmor='.length);
}

/** As Docker's client sends them: `CAP_NET_ADMIN` for every way to write it, in order. */
function capabilities(names: readonly string[] | undefined): readonly string[] | null {
  if (names === undefined) return null;
  const full = names.map((name) => name.toUpperCase().replace(/^(?:CAP_)?(?!ALL$)/, 'CAP_'));
  return [...new Set(full)].sort();
}

function size(option: string, value: number | string | undefined): number {
  return value === undefined ? 0 : parseSize(option, value);
}

function rates(
  option: string,
  values: readonly DeviceRate[] | undefined,
  kind: 'bps' | 'iops',
): readonly object[] {
  return (values ?? []).map((value) => {
    const { path, rate } = parseRate(option, value, kind);
    return { Path: path, Rate: rate };
  });
}

function logConfig({ driver, maxSize, maxFile }: LogConfig): object {
  return {
    Type: driver,
    Config: markStringMap(
      driver === 'none'
        ? {}
        : {
            'max-file': String(maxFile),
            'max-size': maxSize >= Number.MAX_SAFE_INTEGER ? '-1' : String(maxSize),
          },
    ),
  };
}

function storageOf(
  storageOpt: NonNullable<RunOptions['storageOpt']>,
): Readonly<Record<string, string>> {
  const fields = Object.entries(storageOptions(storageOpt));
  return Object.fromEntries(fields.map(([name, value]) => [name, String(value)]));
}

function tmpfsOf(tmpfs: NonNullable<RunOptions['tmpfs']>): Readonly<Record<string, string>> {
  if (!Array.isArray(tmpfs)) return { ...(tmpfs as Readonly<Record<string, string>>) };
  return Object.fromEntries(
    (tmpfs as readonly string[]).map((text) => {
      const colon = text.indexOf(':');
      return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
    }),
  );
}

function sysctlsOf(sysctls: NonNullable<RunOptions['sysctls']>): Readonly<Record<string, string>> {
  if (Array.isArray(sysctls)) return labelsOf(sysctls as readonly string[]);
  return Object.fromEntries(
    Object.entries(sysctls as Readonly<Record<string, string | number>>).map(([name, value]) => [
      name,
      String(value),
    ]),
  );
}

/** As it was asked for with `--mount`. */
function apiMount(mount: NonNullable<RunOptions['mounts']>[number]): object {
  const { type, target } = mount;
  const common = { Target: target, ...(mount.readOnly === true ? { ReadOnly: true } : {}) };
  if (type === 'bind') {
    const { source, bindPropagation, bindRecursive } = mount;
    const bind = {
      ...(bindPropagation === undefined ? {} : { Propagation: bindPropagation }),
      ...(bindRecursive === false ? { NonRecursive: true } : {}),
    };
    const has = Object.keys(bind).length > 0;
    return { Type: type, Source: source, ...common, ...(has ? { BindOptions: bind } : {}) };
  }
  const { tmpfsSize, tmpfsMode } = mount;
  const tmpfs = {
    ...(tmpfsSize === undefined ? {} : { SizeBytes: parseSize('mounts', tmpfsSize) }),
    ...(tmpfsMode === undefined
      ? {}
      : { Mode: typeof tmpfsMode === 'number' ? tmpfsMode : parseInt(tmpfsMode, 8) }),
  };
  const has = Object.keys(tmpfs).length > 0;
  return { Type: type, ...common, ...(has ? { TmpfsOptions: tmpfs } : {}) };
}

/** As they are mounted: the order and the defaults are the engine's. `--tmpfs` is no mount point for Docker. */
function mountPoints(options: RunOptions): readonly object[] {
  const modes = new Map(
    (options.volumes ?? []).map((text) => {
      const [, target = '', mode = ''] = text.split(':');
      return [target, mode];
    }),
  );
  return normalizeMounts(options)
    .filter(({ from }) => from !== 'tmpfs')
    .map((mount) =>
      addFields('MountPoint', {
        Type: mount.type,
        Source: mount.source ?? '',
        Destination: mount.target,
        Mode: mount.from === 'volumes' ? (modes.get(mount.target) ?? '') : '',
        RW: !mount.options.includes('ro'),
        Propagation:
          mount.type === 'bind'
            ? (mount.options.find((option) => /^r?(?:private|shared|slave)$/.test(option)) ?? '')
            : '',
      }),
    );
}

function containerConfig(info: ContainerInfo, extra: InspectExtra): object {
  const { config } = info;
  const { options } = config;
  const { stopSignal } = options;
  return addFields('Config', {
    Hostname: options.hostname ?? (options.network === 'host' ? hostname() : shortId(config.id)),
    Domainname: options.domainname ?? '',
    User: options.user ?? extra.imageUser ?? '',
    AttachStdin: config.stdinOnce,
    AttachStdout: config.stdinOnce,
    AttachStderr: config.stdinOnce,
    Tty: options.tty !== undefined && options.tty !== false,
    OpenStdin: config.openStdin,
    StdinOnce: config.stdinOnce,
    Env: environment(options, extra.imageEnv ?? []),
    Cmd: config.argv.length === 0 ? null : config.argv,
    ...(config.healthcheck === undefined ? {} : { Healthcheck: healthcheck(config.healthcheck) }),
    Image: imageName(info),
    Volumes: null,
    WorkingDir: options.workdir ?? extra.imageWorkdir ?? '',
    Entrypoint: entrypoint(options.entrypoint) ?? extra.imageEntrypoint ?? null,
    OnBuild: null,
    Labels: markStringMap({ ...extra.imageLabels, ...labelsOf(options.labels) }),
    ...(stopSignal === undefined ? {} : { StopSignal: String(stopSignal) }),
    // Docker says it only where it was asked for.
    ...(config.stopTimeout === DEFAULT_STOP_TIMEOUT ? {} : { StopTimeout: config.stopTimeout }),
  });
}

/** Without what every container is given at its start: HOSTNAME, HOME, TERM. */
function environment(options: RunOptions, image: readonly string[]): readonly string[] {
  const env = new Map([['PATH', `PATH=${DEFAULT_PATH}`]]);
  for (const assignment of [...image, ...normalizeEnv(options.env)]) {
    const equals = assignment.indexOf('=');
    if (equals < 0) env.delete(assignment);
    else env.set(assignment.slice(0, equals), assignment);
  }
  return [...env.values()];
}

function entrypoint(value: RunOptions['entrypoint']): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string') return value === '' ? [] : [value];
  return value;
}

function networkSettings(network: string): object {
  const nothing = {
    Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    IPAddress: '',
    IPPrefixLen: 0,
    IPv6Gateway: '',
    MacAddress: '',
    EndpointID: '',
  };
  return {
    Bridge: '',
    SandboxID: '',
    SandboxKey: '',
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    Ports: {},
    ...nothing,
    Networks: {
      [network]: addFields('Endpoint', {
        IPAMConfig: null,
        Links: null,
        Aliases: null,
        DriverOpts: null,
        NetworkID: '',
        ...nothing,
        DNSNames: null,
      }),
    },
  };
}
