/**
 * The parts of a container's OCI spec that are the same for all, with Docker's values (moby
 * daemon/pkg/oci/defaults.go, runc libcontainer/specconv). Frozen, and shared by every spec.
 */
import type {
  LinuxDevice,
  LinuxDeviceCgroup,
  LinuxNamespace,
  LinuxNamespaceType,
  Mount,
} from '../../oci/runtime-spec.js';
import { PTY_LIMIT, SHM_SIZE } from '../options/defaults.js';

export const OCI_VERSION = '1.3.0';

function mount(
  destination: string,
  type: string,
  source: string,
  options: readonly string[],
): Mount {
  return Object.freeze({ destination, type, source, options: Object.freeze(options) });
}

const BOUND_OPTIONS = ['bind', 'rprivate', 'nosuid', 'noexec', 'nodev'] as const;

export const PROC = mount('/proc', 'proc', 'proc', ['nosuid', 'noexec', 'nodev']);
export const DEV = mount('/dev', 'tmpfs', 'tmpfs', [
  'nosuid',
  'strictatime',
  'mode=755',
  'size=65536k',
]);

function ptsOf(limit: number, more: readonly string[]): Mount {
  return mount('/dev/pts', 'devpts', 'devpts', [
    'nosuid',
    'noexec',
    'newinstance',
    'ptmxmode=0666',
    'mode=0620',
    ...more,
    `max=${limit}`,
  ]);
}

const PTS = ptsOf(PTY_LIMIT, ['gid=5']);

/**
 * /dev/pts.
 *
 * @param limit how many terminals can be open.
 * @param group false where the group of terminals, 5, is not mapped
 */
export function pts(limit: number, group: boolean): Mount {
  return limit === PTY_LIMIT && group ? PTS : ptsOf(limit, group ? ['gid=5'] : []);
}

export const SYS = mount('/sys', 'sysfs', 'sysfs', ['nosuid', 'noexec', 'nodev', 'ro']);
export const CGROUP = mount('/sys/fs/cgroup', 'cgroup', 'cgroup', [
  'ro',
  'nosuid',
  'noexec',
  'nodev',
]);

export const MQUEUE = mount('/dev/mqueue', 'mqueue', 'mqueue', ['nosuid', 'noexec', 'nodev']);

export const PRIVILEGED_SYS = mount('/sys', 'sysfs', 'sysfs', ['nosuid', 'noexec', 'nodev', 'rw']);
export const PRIVILEGED_CGROUP = mount('/sys/fs/cgroup', 'cgroup', 'cgroup', [
  'rw',
  'nosuid',
  'noexec',
  'nodev',
]);

/**
 * sysfs shows the network namespace of the process that mounts it, and a process of another user namespace may not mount it
 * in the host's network namespace: the host's own is bound instead (as podman does).
 */
export const BOUND_SYS = mount('/sys', 'bind', '/sys', [
  'rbind',
  'rprivate',
  'nosuid',
  'noexec',
  'nodev',
  'ro',
  'rro',
]);

/**
 * As many files as a tmpfs of this size has pages: those that are not empty take one. Empty ones take memory of the kernel's,
 * 2 KiB each, and would be bounded only by the machine's.
 */
function inodes(size: number): string {
  return `nr_inodes=${Math.max(64, Math.ceil(size / 4096))}`;
}

function shmOf(size: number): Mount {
  const options = ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${size}`, inodes(size)];
  return mount('/dev/shm', 'tmpfs', 'shm', options);
}

const SHM = shmOf(SHM_SIZE);

/** /dev/shm; `size` in bytes. */
export function shm(size: number): Mount {
  return size === SHM_SIZE ? SHM : shmOf(size);
}

function device(path: string, major: number, minor: number): LinuxDevice {
  return Object.freeze({ path, type: 'c', major, minor, fileMode: 0o666, uid: 0, gid: 0 });
}

/** config-linux.md, "Default Devices". */
export const DEVICES: readonly LinuxDevice[] = Object.freeze([
  device('/dev/null', 1, 3),
  device('/dev/zero', 1, 5),
  device('/dev/full', 1, 7),
  device('/dev/random', 1, 8),
  device('/dev/urandom', 1, 9),
  device('/dev/tty', 5, 0),
]);

function allow(type: 'b' | 'c', access: string, major?: number, minor?: number): LinuxDeviceCgroup {
  return Object.freeze({ allow: true, type, major, minor, access });
}

/** Nothing, then: making any node, and using the default devices, the terminals and ptmx. */
export const DEVICE_RULES: readonly LinuxDeviceCgroup[] = Object.freeze([
  Object.freeze({ allow: false, access: 'rwm' }),
  allow('c', 'm'),
  allow('b', 'm'),
  ...DEVICES.map(({ major, minor }) => allow('c', 'rwm', major, minor)),
  allow('c', 'rwm', 5, 1),
  allow('c', 'rwm', 5, 2),
  allow('c', 'rwm', 136),
]);

export const ALL_DEVICES: readonly LinuxDeviceCgroup[] = Object.freeze([
  Object.freeze({ allow: true, access: 'rwm' }),
]);

/**
 * As with sysfs: proc shows the pid namespace of the process that mounts it, and mqueue the IPC namespace, and a process of
 * another user namespace may mount neither for the host's.
 */
export const BOUND_PROC = mount('/proc', 'bind', '/proc', [
  'rbind',
  'rprivate',
  'nosuid',
  'noexec',
  'nodev',
]);
export const HOST_MQUEUE = mount('/dev/mqueue', 'bind', '/dev/mqueue', BOUND_OPTIONS);
export const HOST_SHM = mount('/dev/shm', 'bind', '/dev/shm', BOUND_OPTIONS);

export const MASKED_PATHS: readonly string[] = Object.freeze([
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
]);

export const READONLY_PATHS: readonly string[] = Object.freeze([
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
]);

export const NO_PATHS: readonly string[] = Object.freeze([]);

/** In the order in which they are listed. */
const NAMESPACES: readonly LinuxNamespaceType[] = [
  'mount',
  'uts',
  'ipc',
  'pid',
  'network',
  'user',
  'cgroup',
];

const listed = new Map<string, readonly LinuxNamespace[]>();

/** The namespaces of a container but those that it shares with the host. The same list for the same namespaces. */
export function namespacesBut(shared: ReadonlySet<LinuxNamespaceType>): readonly LinuxNamespace[] {
  const types = NAMESPACES.filter((type) => !shared.has(type));
  const key = types.join();
  let list = listed.get(key);
  if (list === undefined) {
    list = Object.freeze(types.map((type) => Object.freeze({ type })));
    listed.set(key, list);
  }
  return list;
}
