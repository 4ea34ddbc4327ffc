/** A container as `docker inspect` prints it: names and shapes of Docker's API (container inspect, v1.50). */
import type { RunOptions } from '../engine/options/options.js';
import type { ContainerInfo, StoredHealth } from '../engine/store/stored.js';
import { addFields } from './api-fields.js';
import { configShape, type ImageConfig, imageName } from './config-shape.js';
import { isStringMap, markStringMap, markStruct } from './go-values.js';
import { hostConfigShape } from './host-config-shape.js';
import { mountPoints } from './mount-shape.js';
import { networkSettings } from './network-settings-shape.js';

/** Data that only the engine has; missing data is left empty. */
export interface InspectExtra {
  /** Identity of the image; default: its name. */
  readonly imageId?: string;
  readonly image?: ImageConfig;
  /** Absolute paths on the host. */
  readonly logPath?: string;
  readonly resolvConfPath?: string;
  readonly hostnamePath?: string;
  readonly hostsPath?: string;
  /** The directory of a volume. */
  readonly volumeDirectory?: (name: string) => string;
  readonly upperDir?: string;
  readonly workDir?: string;
  /** Below it, the top one first: those that are no image's. */
  readonly lowerDirs?: readonly string[];
  readonly selinux?: { readonly process: string; readonly mount: string } | undefined;
  /** Ids of running execs. */
  readonly execIds?: readonly string[];
  /** Of `host` and `none`, which the engine does not say more of. */
  readonly networkId?: string | undefined;
  /** Host name of the container whose network it has joined. */
  readonly joinedName?: string | undefined;
  /** With `--size`: bytes. */
  readonly sizeRw?: number;
  readonly sizeRootFs?: number;
  /** A memory limit alone also limits swap, to the same size. */
  readonly swapLimit?: boolean;
}

/** Docker's zero time. */
const NEVER = '0001-01-01T00:00:00Z';

export function inspectShape(info: ContainerInfo, extra: InspectExtra = {}): object {
  return markStructs(shapeOf(info, extra));
}

/** Go's maps. All other objects are structs, where a missing field is an error. */
const MAPS: ReadonlySet<string> = new Set([
  'ExposedPorts',
  'Networks',
  'Ports',
  'PortBindings',
  'Volumes',
]);

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
    HostConfig: hostConfigShape(info, extra.swapLimit === true),
    GraphDriver: {
      Data:
        extra.upperDir === undefined
          ? null
          : markStringMap({
              ...((extra.lowerDirs ?? []).length === 0
                ? {}
                : { LowerDir: extra.lowerDirs?.join(':') ?? '' }),
              UpperDir: extra.upperDir,
              WorkDir: extra.workDir ?? '',
            }),
      Name: 'overlay',
    },
    ...(extra.sizeRw === undefined ? {} : { SizeRw: extra.sizeRw }),
    ...(extra.sizeRootFs === undefined ? {} : { SizeRootFs: extra.sizeRootFs }),
    Mounts: mountPoints(config, extra.volumeDirectory),
    Config: configShape(info, extra.image ?? {}, extra.joinedName),
    NetworkSettings: networkSettings(info, extra.networkId),
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

/** The requested profile. */
function appArmorOf(securityOpt: RunOptions['securityOpt'] = []): string {
  const asked = securityOpt.filter((text) => /^apparmor[=:]/.test(text)).at(-1);
  return asked === undefined ? '' : asked.slice('apparmor='.length);
}
