/** Where a container's cgroups are, once it runs. */
import { readFile, stat } from 'node:fs/promises';
import type { CgroupLayout } from './layout.js';

/** A container's directory in one hierarchy; any `CgroupPlacement` is one. */
export interface CgroupDirectory {
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
  readonly dir: string;
}

/** What a container's own cgroup is made in. Neither: `/caisson`, which all of them share. */
export interface CgroupLocation {
  /** systemd's slice for its scope, from the hierarchy's root (systemd.ts). */
  readonly cgroupSlice?: string | undefined;
  /** Without systemd, the cgroup that the caller has named, from the mount point of each hierarchy: `/batch/low`. */
  readonly cgroupParent?: string | undefined;
}

/** A container's own cgroup, from a hierarchy's mount point. */
export function cgroupPath(id: string, location: CgroupLocation): string {
  return location.cgroupSlice === undefined
    ? `${parentPath(id, location)}/${id}`
    : `${parentPath(id, location)}/container`;
}

/** The cgroup that it is made in. */
export function parentPath(
  id: string,
  { cgroupSlice, cgroupParent = '/caisson' }: CgroupLocation,
): string {
  return cgroupSlice === undefined ? cgroupParent : scopePath(id, cgroupSlice);
}

/** Of the container and its supervisor. */
export function scopePath(id: string, slice: string): string {
  return `${slice}/${scopeName(id)}`;
}

export function scopeName(id: string): string {
  return `caisson-${id}.scope`;
}

/**
 * One for each hierarchy that could have it. Whether a hybrid machine's cgroup2 does depends on the limits that
 * the container was started with: see `existing`.
 */
export function cgroupDirectories(
  layout: CgroupLayout,
  id: string,
  location: CgroupLocation,
): CgroupDirectory[] {
  return layout.hierarchies
    .filter(
      ({ usable, delegated, version, controllers }) =>
        usable &&
        (version === 2 || controllers.length > 0) &&
        (delegated !== true || location.cgroupSlice !== undefined),
    )
    .map(({ version, controllers, mountPoint }) => ({
      version,
      controllers,
      dir: `${mountPoint}${cgroupPath(id, location)}`,
    }));
}

export async function existing<T extends CgroupDirectory>(directories: readonly T[]): Promise<T[]> {
  const there = await Promise.all(
    directories.map(async ({ dir }) =>
      stat(dir).then(
        (stats) => stats.isDirectory(),
        () => false,
      ),
    ),
  );
  return directories.filter((_, index) => there[index]);
}

/** What the kernel says of files in a cgroup that is being removed, and of processes that have just ended. */
const gone: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENODEV', 'ESRCH', 'ENOTDIR']);

export function isGone(error: unknown): boolean {
  return gone.has((error as NodeJS.ErrnoException).code);
}

/** A file of a cgroup; undefined where it, or the whole cgroup, is missing. */
export async function readIn(dir: string | Buffer, file: string): Promise<string | undefined> {
  try {
    const name = `/${file}`;
    const path = typeof dir === 'string' ? dir + name : Buffer.concat([dir, Buffer.from(name)]);
    return await readFile(path, 'utf8');
  } catch (error) {
    // EOPNOTSUPP: the file is there and its feature is off, as PSI's with psi=0.
    if (isGone(error) || (error as NodeJS.ErrnoException).code === 'EOPNOTSUPP') return undefined;
    throw error;
  }
}

/** Lines of a name and a number, as `memory.stat` and `cgroup.events` have them. */
export function parseFlat(text: string | undefined): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const line of (text ?? '').split('\n')) {
    const [name = '', value = ''] = line.split(' ');
    if (/^\d+$/.test(value)) found.set(name, Number(value));
  }
  return found;
}

/**
 * The path in cgroup v2, of what /proc/<pid>/cgroup says. Not found by a pattern's `$`: a name that a container has
 * given to a cgroup may contain a `\r`, or another separator, which would end the line there.
 */
export function unifiedPath(memberships: string): string | undefined {
  const line = memberships.split('\n').find((text) => text.startsWith('0::/'));
  return line?.slice('0::'.length);
}
