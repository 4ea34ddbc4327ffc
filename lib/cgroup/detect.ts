/**
 * Which cgroup hierarchies this machine has, found out once per process.
 *
 * Sources: proc(5) for mountinfo, cgroups(7) for `/proc/cgroups` and `/proc/self/cgroup`, and the kernel's
 * `Documentation/admin-guide/cgroup-v1` and `cgroup-v2.rst` for what the mounts hold.
 */
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type MountEntry, parseMountinfo, visibleMounts } from './mountinfo.js';
import { sliceFor } from './systemd/systemd.js';
import { type CgroupHierarchy, type CgroupLayout, makeLayout } from './layout.js';

/** The file system, as far as detection looks at it; tests give texts. */
export interface CgroupReaders {
  readonly readFile: (path: string) => Promise<string>;
  readonly readdir: (path: string) => Promise<readonly string[]>;
  /** Whether this user may make directories there. */
  readonly writable: (path: string) => Promise<boolean>;
}

/** The kernel answers at once: a thread of libuv for each file would take ten times as long. */
const realReaders: CgroupReaders = {
  readFile: (path) => now(() => readFileSync(path, 'utf8')),
  readdir: (path) => now(() => readdirSync(path)),
  writable: (path) =>
    now(() => accessSync(path, constants.W_OK)).then(
      () => true,
      () => false,
    ),
};

function now<T>(look: () => T): Promise<T> {
  return new Promise((resolve) => resolve(look()));
}

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

/** A hierarchy can be mounted several times: a usable mount goes first, then the customary mount point. */
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
