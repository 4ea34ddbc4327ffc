/**
 * Rootless containers: the ids of the user namespace that contains a container and its supervisor
 * (docs/decisions/0011-rootless.md). In it this user is root, and all other users come from the user's ranges in
 * /etc/subuid and /etc/subgid.
 */
import { readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { inUserNamespace, isMachineRoot } from './confinement.js';
import { firstFreeId, grantRanges, SUBORDINATE_FILES } from './subordinate-ids.js';

/** A line of an id map: user_namespaces(7). */
export interface IdRun {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

export interface UserNamespaceIds {
  readonly uids: readonly IdRun[];
  readonly gids: readonly IdRun[];
  /** If there is one id only: the reason and the remedy. Groups cannot be chosen then either. */
  readonly lack: Lack | undefined;
  /** This process can map them itself, without a helper. */
  readonly own?: boolean | undefined;
}

interface Lack {
  readonly why: string;
  readonly remedy: string;
}

/** As many as a container of root has besides its own root. */
const WANTED = 65_536;

const HELPERS = ['newuidmap', 'newgidmap'] as const;

export function isRoot(): boolean {
  return isMachineRoot({ uid: process.geteuid?.() ?? -1, ownUserNamespace: inUserNamespace() });
}

/** Undefined for root, which needs none. */
export async function findUserNamespaceIds(): Promise<UserNamespaceIds | undefined> {
  if (isRoot()) return undefined;
  if (process.geteuid?.() === 0) return usersOfOuterNamespace();
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const name = nameOf(uid);
  const root = (id: number): IdRun => ({ inside: 0, outside: id, count: 1 });
  const [uids, gids, missing] = await Promise.all([
    subordinate('/etc/subuid', uid, name),
    subordinate('/etc/subgid', uid, name),
    missingHelper(),
  ]);
  const single = (lack: Lack): UserNamespaceIds => ({ uids: [root(uid)], gids: [root(gid)], lack });
  const lacking = SUBORDINATE_FILES.filter((_, index) => [uids, gids][index]?.length === 0);
  if (lacking.length > 0) {
    return single({
      why: `${lacking[0]} has no range for ${name ?? uid}`,
      remedy: grantRanges(name ?? uid, lacking, await firstFreeId()),
    });
  }
  if (missing !== undefined)
    return single({ why: `${missing} is not installed`, remedy: 'install the package uidmap' });
  return { uids: [root(uid), ...uids], gids: [root(gid), ...gids], lack: undefined };
}

/** The containers of the root of a user namespace have all ids of that namespace. */
async function usersOfOuterNamespace(): Promise<UserNamespaceIds> {
  const { uids, gids, lack } = await usersOf('self');
  const same = (runs: readonly IdRun[]) =>
    runs.map(({ inside, count }) => ({ inside, outside: inside, count }));
  return {
    uids: same(uids),
    gids: same(gids),
    lack: lack && {
      why: 'the outer container has only one',
      remedy: 'subordinate ids for the user that has started the outer container',
    },
    own: true,
  };
}

/** Whether an id of the container is mapped. */
export function isMapped(runs: readonly IdRun[], id: number): boolean {
  return runs.some(({ inside, count }) => id >= inside && id < inside + count);
}

/** Undefined if the account files do not know the user. */
function nameOf(uid: number): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return String(uid) === process.env['USER'] ? undefined : process.env['USER'];
  }
}

/** The user's ranges (subuid(5)), one after the other from 1 on. */
async function subordinate(path: string, uid: number, name: string | undefined): Promise<IdRun[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const runs: IdRun[] = [];
  let inside = 1;
  for (const line of text.split('\n')) {
    const match = /^([^:]+):(\d+):(\d+)\s*$/.exec(line);
    if (match === null || (match[1] !== name && match[1] !== String(uid))) continue;
    const count = Math.min(Number(match[3]), WANTED + 1 - inside);
    if (count <= 0) continue;
    runs.push({ inside, outside: Number(match[2]), count });
    inside += count;
  }
  return runs;
}

async function missingHelper(): Promise<string | undefined> {
  for (const name of HELPERS) if ((await findProgram(name)) === undefined) return name;
  return undefined;
}

/** @param more directories that may be missing in a caller's PATH. */
export async function findProgram(
  name: string,
  more: readonly string[] = [],
): Promise<string | undefined> {
  for (const directory of (process.env['PATH'] ?? '').split(':').concat('/usr/bin', more)) {
    if (!directory.startsWith('/')) continue;
    const path = join(directory, name);
    if (
      await stat(path).then(
        (stats) => stats.isFile() && (stats.mode & 0o111) !== 0,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

/**
 * The ids of a running container, read from one of its processes: the account files may have changed since its start.
 */
export async function usersOf(pid: number | 'self'): Promise<UserNamespaceIds> {
  const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
  const [uids, gids, setgroups] = await Promise.all([
    read('uid_map'),
    read('gid_map'),
    read('setgroups'),
  ]);
  const lack =
    setgroups.trim() === 'deny'
      ? { why: 'it was started with one id', remedy: 'start it again, with more of them' }
      : undefined;
  return { uids: runsOf(uids), gids: runsOf(gids), lack };
}

function runsOf(map: string): IdRun[] {
  const runs: IdRun[] = [];
  for (const line of map.split('\n')) {
    const [inside, outside, count] = line.trim().split(/\s+/).map(Number);
    if (count === undefined) continue;
    runs.push({ inside: inside ?? 0, outside: outside ?? 0, count });
  }
  return runs;
}
