/** How a container runs: `HostConfig` of Docker's API (container inspect, v1.50). */
import { parseCpus, parseRate, parseSize } from '../base/units.js';
import { SHM_SIZE } from '../engine/options/defaults.js';
import { normalizeDevices } from '../engine/options/devices.js';
import { labelsOf } from '../engine/options/labels.js';
import type { LogConfig } from '../engine/options/log-config.js';
import { type DeviceRate, networkModeOf, type RunOptions } from '../engine/options/options.js';
import { storageOptions } from '../engine/options/storage-opt.js';
import { normalizeUlimits, RLIM_INFINITY } from '../engine/options/ulimits.js';
import { MASKED_PATHS, NO_PATHS, READONLY_PATHS } from '../engine/spec/default-spec.js';
import type { ContainerInfo } from '../engine/store/stored.js';
import { addFields } from './api-fields.js';
import { markStringMap } from './go-values.js';
import { apiMount, bindTexts } from './mount-shape.js';
import { portBindings } from './port-shape.js';

/** @param swapLimit a memory limit alone also limits swap, to the same size. */
export function hostConfigShape({ config }: ContainerInfo, swapLimit: boolean): object {
  const { options } = config;
  const memory = size('memory', options.memory);
  const swap = options.memorySwap;
  const { storageOpt, tmpfs, sysctls } = options;
  const mounts = (options.mounts ?? []).map((mount) => apiMount(mount));
  return addFields('HostConfig', {
    Binds: bindTexts(options.volumes),
    ContainerIDFile: '',
    ConsoleSize: [0, 0],
    LogConfig: logConfig(config.log),
    NetworkMode: networkModeOf(options),
    PortBindings: portBindings(options),
    RestartPolicy: {
      Name: config.restart.name,
      MaximumRetryCount: config.restart.maximumRetryCount,
    },
    AutoRemove: config.autoRemove,
    VolumeDriver: '',
    VolumesFrom: options.volumesFrom ?? null,
    CapAdd: capabilities(options.capAdd),
    CapDrop: capabilities(options.capDrop),
    CgroupnsMode: options.cgroupns ?? 'private',
    Dns: options.dns ?? [],
    DnsOptions: options.dnsOption ?? [],
    DnsSearch: options.dnsSearch ?? [],
    ExtraHosts: options.addHost ?? null,
    GroupAdd: options.groupAdd?.map(String) ?? null,
    IpcMode: options.ipc ?? 'private',
    Cgroup: '',
    Links: null,
    OomScoreAdj: Number(options.oomScoreAdj ?? 0),
    PidMode: shared(options.pid),
    Privileged: options.privileged ?? false,
    PublishAllPorts: options.publishAll ?? false,
    ReadonlyRootfs: options.readOnly ?? false,
    SecurityOpt: options.securityOpt ?? null,
    ...(storageOpt === undefined ? {} : { StorageOpt: markStringMap(storageOf(storageOpt)) }),
    ...(tmpfs === undefined ? {} : { Tmpfs: markStringMap(tmpfsOf(tmpfs)) }),
    UTSMode: shared(options.uts),
    UsernsMode: usersMode(options),
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
        ? swapLimit
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

/** As Docker's client sends them: sorted, and in the form `CAP_NET_ADMIN`. */
function capabilities(names: readonly string[] | undefined): readonly string[] | null {
  if (names === undefined) return null;
  const full = names.map((name) => name.toUpperCase().replace(/^(?:CAP_)?(?!ALL$)/, 'CAP_'));
  return [...new Set(full)].sort();
}

function usersMode({ userns, privileged }: RunOptions): string {
  if (userns === 'host' || privileged === true) return 'host';
  return userns === undefined || userns === 'auto' ? '' : userns;
}

/** Docker has no word for a namespace of its own. */
function shared(mode: string | undefined): string {
  return mode === undefined || mode === 'private' ? '' : mode;
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
