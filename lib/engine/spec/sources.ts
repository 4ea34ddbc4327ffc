/** The things of the host that a container is given: looked up before anything is made. */
import { constants, type Stats } from 'node:fs';
import { access, readdir, realpath, stat } from 'node:fs/promises';
import { CaissonError } from '../../base/errors.js';
import type {
  LinuxDevice,
  LinuxDeviceCgroup,
  LinuxThrottleDevice,
} from '../../oci/runtime-spec.js';
import { relativeTo } from '../../program/mount-options.js';
import { invalid } from '../../base/check.js';
import type { SharedConfig } from '../options/config.js';
import type { DeviceConfig } from '../options/devices.js';
import { isRoot } from '../../host/user-namespace-ids.js';
import type { ThrottleKind } from '../options/resources.js';
import type { MountConfig } from '../options/mount-config.js';
import { type VolumeOwners, volumeOwners } from './volume-owners.js';

/** A device of the host: its node in the container, and the right to use it. */
export interface SourceDevice {
  /** On the host. */
  readonly source: string;
  readonly node: LinuxDevice;
  readonly rule: LinuxDeviceCgroup;
}

export interface Sources {
  readonly devices: readonly SourceDevice[];
  /** Sources of volumes that are devices themselves, such as `-v /dev/null:/etc/motd`. */
  readonly volumes: readonly SourceDevice[];
  /** The users of the host that stand for the container's user, by target; missing: the one of the same number. */
  readonly owners: VolumeOwners;
  readonly throttles: Readonly<Partial<Record<ThrottleKind, readonly LinuxThrottleDevice[]>>>;
}

export const NO_SOURCES: Sources = Object.freeze({
  devices: Object.freeze([]),
  volumes: Object.freeze([]),
  owners: new Map(),
  throttles: Object.freeze({}),
});

/** Looks at the host only when the config names something of it. */
export async function checkSources(config: SharedConfig): Promise<Sources> {
  const { mounts, devices, resources, seccomp, privileged } = config;
  const throttles = resources.throttles ?? [];
  const binds = mounts.filter(({ source }) => source !== undefined);
  if (
    binds.length + devices.length + throttles.length === 0 &&
    seccomp.kind !== 'file' &&
    !privileged
  ) {
    return NO_SOURCES;
  }
  const found: SourceDevice[] = privileged ? await hostDevices('/dev') : [];
  const looks = new Map(binds.map((mount) => [mount, look(mount.from, mount.source ?? '')]));
  const lookAt = (mount: MountConfig) => looks.get(mount) ?? look(mount.from, mount.source ?? '');
  const [stats, owners] = await Promise.all([
    Promise.all(
      binds.map(async (mount) => {
        await checkBeneath(mount);
        return lookAt(mount);
      }),
    ),
    volumeOwners(config, lookAt),
    seccomp.kind === 'file' ? look('securityOpt', seccomp.path) : undefined,
  ]);
  const volumes = binds.flatMap(({ source = '', target }, index) => {
    const of = stats[index];
    return of !== undefined && isDevice(of) ? [deviceOf(source, target, 'rwm', of)] : [];
  });
  for (const device of devices) found.push(...(await namedDevice(device)));

  const limits: Partial<Record<ThrottleKind, LinuxThrottleDevice[]>> = {};
  for (const { kind, path, rate } of throttles) {
    const option = `device${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
    const stats = await look(option, path);
    if (!stats.isBlockDevice()) throw invalid(option, path, 'is not a block device');
    (limits[kind] ??= []).push({ ...numbers(stats), rate });
  }
  return {
    devices: found,
    volumes,
    owners,
    throttles: throttles.length === 0 ? NO_SOURCES.throttles : limits,
  };
}

/** So that it is said early; that it stays so the kernel sees to, at the start. */
async function checkBeneath({ from, source = '', within }: MountConfig): Promise<void> {
  if (within === undefined) return;
  await look(from, source);
  const [directory, place] = await Promise.all([realpath(within), realpath(source)]);
  if (relativeTo(directory, place) === undefined)
    throw invalid(from, source, `leads out of ${within}, to ${place}`);
}

async function look(option: string, path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const missing = code === 'ENOENT' || code === 'ENOTDIR';
    throw new CaissonError(
      missing
        ? 'ERR_NO_SUCH_SOURCE'
        : code === 'EACCES'
          ? 'ERR_NO_PRIVILEGES'
          : 'ERR_INVALID_OPTION',
      `${option}: "${path}" ${missing ? 'does not exist on the host' : `cannot be used: ${code ?? String(cause)}`}`,
      { stage: 'config', path, syscall: 'stat', errno: code, cause },
    );
  }
}

/** The kernel's split of a device number: 12 bits major, 20 bits minor (linux/kdev_t.h, new_encode_dev). */
function numbers({ rdev }: Stats): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}

function deviceOf(source: string, target: string, access: string, stats: Stats): SourceDevice {
  const type = stats.isBlockDevice() ? 'b' : 'c';
  const { major, minor } = numbers(stats);
  return {
    source,
    node: {
      path: target,
      type,
      major,
      minor,
      fileMode: stats.mode & 0o777,
      uid: stats.uid,
      gid: stats.gid,
    },
    rule: { allow: true, type, major, minor, access },
  };
}

function isDevice(stats: Stats): boolean {
  return stats.isBlockDevice() || stats.isCharacterDevice();
}

/** A node, or a directory of them as Docker takes it. */
async function namedDevice({ source, target, access }: DeviceConfig): Promise<SourceDevice[]> {
  const stats = await look('devices', source);
  if (isDevice(stats)) return [deviceOf(source, target, access, stats)];
  if (!stats.isDirectory()) throw invalid('devices', source, 'is not a device');
  const below = await hostDevices(source);
  if (below.length === 0) throw invalid('devices', source, 'has no devices in it');
  return below.map(({ source: path, node, rule }) => ({
    source: path,
    node: { ...node, path: target + node.path.slice(source.length) },
    rule: { ...rule, access },
  }));
}

/** Paths below /dev that the container has of its own. */
const OWN: ReadonlySet<string> = new Set([
  'pts',
  'shm',
  'fd',
  'mqueue',
  'console',
  'ptmx',
  '.lxc',
  '.udev',
]);

/** Rootless containers have only the devices that this user may open; all others are left out. */
async function isOpenToUs(path: string): Promise<boolean> {
  if (isRoot()) return true;
  return access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
}

/** Every node in a directory and below it. What vanishes meanwhile is not there. */
async function hostDevices(directory: string): Promise<SourceDevice[]> {
  const found: SourceDevice[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (OWN.has(entry.name)) continue;
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(await hostDevices(path)));
    else if (entry.isBlockDevice() || entry.isCharacterDevice()) {
      const stats = await stat(path).catch(() => undefined);
      if (stats === undefined || !isDevice(stats) || !(await isOpenToUs(path))) continue;
      found.push(deviceOf(path, path, 'rwm', stats));
    }
  }
  return found;
}
