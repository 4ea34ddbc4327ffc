/** What `abilities.ts` judges: read once, side by side. */
import { constants } from 'node:fs';
import { access, readdir, readFile, stat, statfs } from 'node:fs/promises';
import { release, userInfo } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { delegationHint } from '../cgroup/systemd/delegation.js';
import { detectCgroups } from '../cgroup/detect.js';
import type { CgroupLayout } from '../cgroup/layout.js';
import { type ProbeOutcome, probeMachine } from '../native/probe.js';
import { hasFrameFilter } from '../network/firewall/ensure-frame-filter.js';
import { firstFreeId } from '../host/subordinate-ids.js';
import { type Confinement, isMachineRoot, readConfinement } from '../host/confinement.js';
import { readUserNamespaceSwitches, type UserNamespaceSwitches } from '../host/user-namespaces.js';

/** A program that has to be set-user-id, or to have the capability as one of its file's. */
export interface MapTool {
  readonly path?: string | undefined;
  readonly privileged: boolean;
}

/** A line of subuid(5). */
export interface IdRange {
  readonly first: number;
  readonly size: number;
}

export interface MachineFacts extends UserNamespaceSwitches {
  readonly kernel: string;
  readonly confinement: Confinement;
  readonly userName: string;
  /** Undefined when it could not be asked … */
  readonly probe?: ReadonlyMap<string, ProbeOutcome> | undefined;
  /** … for this reason. */
  readonly probeError?: string | undefined;
  readonly layout: CgroupLayout;
  /** What gives cgroups to this user; undefined for root. */
  readonly delegation?: string | undefined;
  /** Files of a cgroup of v2 that is not the root, which has few of them; undefined where there is none. */
  readonly cgroupFiles?: ReadonlySet<string> | undefined;
  readonly newuidmap: MapTool;
  readonly newgidmap: MapTool;
  readonly subuids: readonly IdRange[];
  readonly subgids: readonly IdRange[];
  /** From which on no user has a range. */
  readonly freeIds: number;
  readonly data: DataDirectory;
  /** Paths of the programs; undefined where there is none. */
  readonly pasta?: string | undefined;
  readonly slirp4netns?: string | undefined;
  /** Whether nf_tables has bridges; otherwise why it could not be asked. Undefined where only root could ask. */
  readonly frameFilter?: boolean | string | undefined;
  /** Of /dev/net/tun: who is not root can open it, or not. */
  readonly tun: 'open' | 'closed' | 'missing';
}

/** Where containers would lie: the data root, or the first directory above it that there is. */
export interface DataDirectory {
  readonly path: string;
  readonly writable: boolean;
  /** `overlay`, where that is what it lies on: it takes no layer that is written to. */
  readonly overlay: boolean;
}

export async function gatherFacts(dataRoot: string): Promise<MachineFacts> {
  const confinement = readConfinement();
  const userName = nameOfUser(confinement.uid);
  const [layout, data, newuidmap, newgidmap, subuids, subgids, freeIds] = await Promise.all([
    detectCgroups(),
    dataDirectory(dataRoot),
    mapTool('newuidmap'),
    mapTool('newgidmap'),
    rangesOf('/etc/subuid', userName, confinement.uid),
    rangesOf('/etc/subgid', userName, confinement.uid),
    firstFreeId(),
  ]);
  const [pasta, slirp4netns, tun, frameFilter] = await Promise.all([
    pathOf('pasta'),
    pathOf('slirp4netns'),
    tunDevice(isMachineRoot(confinement)),
    isMachineRoot(confinement)
      ? hasFrameFilter().catch((error: unknown) => error instanceof Error ? error.message : String(error)) // prettier-ignore
      : undefined,
  ]);
  const [cgroupFiles, probed] = await Promise.all([
    filesOfChild(layout),
    probeMachine(data.path).then(
      (probe) => ({ probe }),
      (error: unknown) => ({ probeError: error instanceof Error ? error.message : String(error) }),
    ),
  ]);
  return {
    kernel: release(),
    confinement,
    userName,
    ...probed,
    layout,
    delegation: delegationHint(layout),
    cgroupFiles,
    ...readUserNamespaceSwitches(),
    newuidmap,
    newgidmap,
    subuids,
    subgids,
    freeIds,
    data,
    pasta,
    slirp4netns,
    tun,
    frameFilter,
  };
}

function nameOfUser(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(uid);
  }
}

async function dataDirectory(path: string): Promise<DataDirectory> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined && dirname(path) !== path) return dataDirectory(dirname(path));
  const [writable, { type }] = await Promise.all([
    access(path, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    ),
    statfs(path).catch(() => ({ type: 0 })),
  ]);
  return { path, writable, overlay: type === OVERLAYFS_SUPER_MAGIC };
}

/** linux/magic.h */
const OVERLAYFS_SUPER_MAGIC = 0x794c7630;

const S_ISUID = 0o4000;

async function mapTool(name: string): Promise<MapTool> {
  const path = await pathOf(name);
  const found = path === undefined ? undefined : await stat(path).catch(() => undefined);
  if (found === undefined) return { privileged: false };
  // Fedora gives the file a capability instead, which only its extended attributes would tell.
  const privileged = (found.mode & S_ISUID) !== 0 && found.uid === 0;
  return { path, privileged };
}

async function pathOf(name: string): Promise<string | undefined> {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/bin'];
  for (const directory of directories) {
    if (!directory.startsWith('/')) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() === true) return path;
  }
  return undefined;
}

/** Root's containers have their own user ids, which can open only files that are accessible to all users. */
async function tunDevice(root: boolean): Promise<MachineFacts['tun']> {
  const path = '/dev/net/tun';
  const found = await stat(path).catch(() => undefined);
  if (found?.isCharacterDevice() !== true) return 'missing';
  if ((found.mode & 0o006) === 0o006) return 'open';
  if (root) return 'closed';
  return access(path, constants.R_OK | constants.W_OK).then(
    () => 'open',
    () => 'closed',
  );
}

/** subuid(5): name or number, first id, how many. */
export async function rangesOf(file: string, name: string, uid: number): Promise<IdRange[]> {
  const ranges: IdRange[] = [];
  for (const line of ((await textOf(file)) ?? '').split('\n')) {
    const [owner, first, size] = line.split(':');
    if (owner !== name && owner !== String(uid)) continue;
    if (/^\d+$/.test(first ?? '') && /^[1-9]\d*$/.test(size ?? ''))
      ranges.push({ first: Number(first), size: Number(size) });
  }
  return ranges;
}

async function filesOfChild(layout: CgroupLayout): Promise<ReadonlySet<string> | undefined> {
  const hierarchy = layout.hierarchies.find(({ version }) => version === 2);
  if (hierarchy === undefined) return undefined;
  if (hierarchy.files.has('cgroup.type')) return hierarchy.files;
  const entries = await readdir(hierarchy.mountPoint, { withFileTypes: true }).catch(() => []);
  const child = entries.find((entry) => entry.isDirectory())?.name;
  if (child === undefined) return undefined;
  return readdir(join(hierarchy.mountPoint, child)).then(
    (files) => new Set(files),
    () => undefined,
  );
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}
