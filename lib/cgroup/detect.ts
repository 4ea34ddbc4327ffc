/**
 * Which cgroup hierarchies this machine has, found out once per process.
 *
 * Sources: proc(5) for mountinfo, cgroups(7) for `/proc/cgroups` and `/proc/self/cgroup`, and the kernel's
 * `Documentation/admin-guide/cgroup-v1` and `cgroup-v2.rst` for what the mounts hold.
 */
import { constants } from 'node:fs';
import { access, readFile, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type MountEntry, parseMountinfo, visibleMounts } from './mountinfo.js';
import { sliceFor } from './systemd.js';

export type CgroupMode = 'v1' | 'v2' | 'hybrid' | 'none';

/** One mounted hierarchy. */
export interface CgroupHierarchy {
  readonly version: 1 | 2;
  /** v1: the controllers bound to it, sorted; v2: those of `cgroup.controllers` at the mount point. */
  readonly controllers: readonly string[];
  /** A named v1 hierarchy's name, such as `systemd`. */
  readonly name?: string | undefined;
  readonly mountPoint: string;
  /** The part of the hierarchy that the mount shows: `/`, or a cgroup of its own inside a container. */
  readonly mountRoot: string;
  /** This process's own cgroup, from the hierarchy's root. */
  readonly ownPath?: string | undefined;
  /** Directories can be made below the mount point: mounted read-write, and this user may write. */
  readonly usable: boolean;
  readonly readOnly: boolean;
  /** Names of the files at the mount point; a real root lacks many that its children have. */
  readonly files: ReadonlySet<string>;
  /**
   * An ordinary user's: usable in scopes of his systemd's only, and `controllers` and `files` are those of what has
   * been delegated to that.
   */
  readonly delegated?: boolean | undefined;
  /** Names of the files in a child, where `probe.ts` had to look … */
  readonly childFiles?: ReadonlySet<string> | undefined;
  /** … and the controllers for which that list is complete. */
  readonly probed?: ReadonlySet<string> | undefined;
  /** The CPUs and memory nodes to be shared out, as lists (`0-3,7`), where cpuset is here. */
  readonly cpus?: string | undefined;
  readonly mems?: string | undefined;
}

export interface CgroupLayout {
  /** Counts usable hierarchies only. `hybrid`: v1 controllers are in use and a cgroup2 is mounted beside. */
  readonly mode: CgroupMode;
  readonly hierarchies: readonly CgroupHierarchy[];
  /** Where each usable controller is. In a hybrid machine v1 goes before v2. */
  readonly controllers: ReadonlyMap<string, CgroupHierarchy>;
  /** The usable cgroup2, if any. */
  readonly unified?: CgroupHierarchy | undefined;
  /** Controllers that are compiled in but switched off (`cgroup_disable=`). */
  readonly disabled: ReadonlySet<string>;
}

/** The file system, as far as detection looks at it; tests give texts. */
export interface CgroupReaders {
  readonly readFile: (path: string) => Promise<string>;
  readonly readdir: (path: string) => Promise<readonly string[]>;
  /** Whether this user may make directories there. */
  readonly writable: (path: string) => Promise<boolean>;
}

const realReaders: CgroupReaders = {
  readFile: async (path) => readFile(path, 'utf8'),
  readdir: async (path) => readdir(path),
  writable: async (path) =>
    access(path, constants.W_OK).then(
      () => true,
      () => false,
    ),
};

/** Every v1 controller that a kernel ever had, for kernels without `/proc/cgroups`. */
const v1Controllers =
  'blkio cpu cpuacct cpuset debug devices freezer hugetlb memory misc net_cls net_prio perf_event pids rdma';

let cached: Promise<CgroupLayout> | undefined;

/** The machine's hierarchies. Without `readers` the answer is found once and kept for the process's life. */
export async function detectCgroups(readers?: CgroupReaders): Promise<CgroupLayout> {
  if (readers !== undefined) return detect(readers);
  cached ??= detect(realReaders)
    .then(withDelegated)
    .catch((error: unknown) => {
      cached = undefined;
      throw error;
    });
  return cached;
}

async function detect(readers: CgroupReaders): Promise<CgroupLayout> {
  const [mountinfo, known, own] = await Promise.all([
    textOf(readers, '/proc/self/mountinfo'),
    textOf(readers, '/proc/cgroups'),
    textOf(readers, '/proc/self/cgroup'),
  ]);
  const { names, disabled } = parseProcCgroups(known ?? '');
  const ownPaths = parseOwnCgroups(own ?? '');
  const mounts = visibleMounts(parseMountinfo(mountinfo ?? ''), ['cgroup', 'cgroup2']);
  const found = await Promise.all(
    mounts.map(async (mount) => inspect(readers, mount, names, ownPaths)),
  );
  return makeLayout(chooseMounts(found), disabled);
}

/** With what the user's own systemd has of a cgroup2 that is otherwise root's: user@.service(5), Delegate=. */
async function withDelegated(layout: CgroupLayout): Promise<CgroupLayout> {
  const closed = layout.hierarchies.find(({ version, usable }) => version === 2 && !usable);
  if (closed === undefined) return layout;
  const slice = sliceFor(layout, undefined);
  if (slice === undefined) return layout;
  const tree = join(closed.mountPoint, dirname(slice));
  if (!(await realReaders.writable(tree))) return layout;
  const [controllers, files] = await Promise.all([
    textOf(realReaders, `${tree}/cgroup.controllers`),
    realReaders.readdir(tree),
  ]);
  const own: CgroupHierarchy = {
    ...closed,
    usable: true,
    delegated: true,
    controllers: (controllers ?? '').split(/\s+/).filter(Boolean),
    files: new Set(files),
  };
  const hierarchies = layout.hierarchies.map((each) => (each === closed ? own : each));
  return makeLayout(hierarchies, layout.disabled);
}

/** What of it there is for who does not ask systemd. */
export function withoutScopes(layout: CgroupLayout): CgroupLayout {
  if (!layout.hierarchies.some(({ delegated }) => delegated === true)) return layout;
  const hierarchies = layout.hierarchies.map((each) =>
    each.delegated === true ? { ...each, usable: false } : each,
  );
  return makeLayout(hierarchies, layout.disabled);
}

/** Puts a layout together: used by detection, and again when a probe has learned more. */
export function makeLayout(
  hierarchies: readonly CgroupHierarchy[],
  disabled: ReadonlySet<string>,
): CgroupLayout {
  const usable = hierarchies.filter((hierarchy) => hierarchy.usable);
  const v1 = usable.filter((h) => h.version === 1 && h.controllers.length > 0);
  const unified = usable.find((h) => h.version === 2);
  const controllers = new Map<string, CgroupHierarchy>();
  for (const name of unified?.controllers ?? []) {
    if (unified !== undefined) controllers.set(name, unified);
  }
  for (const hierarchy of v1) {
    for (const name of hierarchy.controllers) controllers.set(name, hierarchy);
  }
  let mode: CgroupMode = 'none';
  if (v1.length > 0) mode = unified === undefined ? 'v1' : 'hybrid';
  else if (unified !== undefined) mode = 'v2';
  return { mode, hierarchies, controllers, unified, disabled };
}

async function inspect(
  readers: CgroupReaders,
  mount: MountEntry,
  v1Names: ReadonlySet<string>,
  ownPaths: ReadonlyMap<string, string>,
): Promise<CgroupHierarchy> {
  const { mountPoint } = mount;
  const version = mount.fsType === 'cgroup2' ? 2 : 1;
  const options = mount.superOptions;
  const name = options.find((option) => option.startsWith('name='))?.slice('name='.length);
  const controllers =
    version === 2
      ? ((await textOf(readers, `${mountPoint}/cgroup.controllers`)) ?? '')
          .split(/\s+/)
          .filter(Boolean)
      : options.filter((option) => v1Names.has(option)).sort();
  const cpuset = controllers.includes('cpuset');
  const suffix = version === 2 ? '.effective' : '';
  const readOnly = mount.options.includes('ro') || options.includes('ro');
  const [files, writable, cpus, mems] = await Promise.all([
    readers.readdir(mountPoint).catch(() => []),
    readers.writable(mountPoint),
    cpuset ? textOf(readers, `${mountPoint}/cpuset.cpus${suffix}`) : undefined,
    cpuset ? textOf(readers, `${mountPoint}/cpuset.mems${suffix}`) : undefined,
  ]);
  const ownKey = version === 2 ? '' : name === undefined ? controllers.join() : `name=${name}`;
  return {
    version,
    controllers,
    name,
    mountPoint,
    mountRoot: mount.root,
    ownPath: ownPaths.get(ownKey),
    usable: writable && !readOnly,
    readOnly,
    files: new Set(files),
    cpus: cpus?.trim(),
    mems: mems?.trim(),
  };
}

/** A hierarchy can be mounted in several places: the usable one goes first, then the customary place. */
function chooseMounts(found: readonly CgroupHierarchy[]): CgroupHierarchy[] {
  const best = new Map<string, CgroupHierarchy>();
  const rank = (h: CgroupHierarchy): number =>
    (h.usable ? 2 : 0) + (h.mountPoint.startsWith('/sys/fs/cgroup') ? 1 : 0);
  for (const hierarchy of found) {
    const key =
      hierarchy.version === 2 ? '2' : `1 ${hierarchy.controllers.join()} ${hierarchy.name}`;
    const other = best.get(key);
    if (other === undefined || rank(hierarchy) > rank(other)) best.set(key, hierarchy);
  }
  return [...best.values()];
}

/** `/proc/cgroups`: name, hierarchy, number of cgroups, enabled. */
function parseProcCgroups(text: string): { names: Set<string>; disabled: Set<string> } {
  const names = new Set(v1Controllers.split(' '));
  const disabled = new Set<string>();
  for (const line of text.split('\n')) {
    const [name, , , enabled] = line.split(/\s+/);
    if (name === undefined || name === '' || name.startsWith('#')) continue;
    names.add(name);
    if (enabled === '0') disabled.add(name);
  }
  return { names, disabled };
}

/** `/proc/self/cgroup`: `id:controllers:path`; controllers sorted, to be looked up. */
function parseOwnCgroups(text: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    paths.set(match[1].split(',').sort().join(), match[2]);
  }
  return paths;
}

async function textOf(readers: CgroupReaders, path: string): Promise<string | undefined> {
  return readers.readFile(path).catch(() => undefined);
}
