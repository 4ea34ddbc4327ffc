/**
 * The user of the host that stands for the container's user in a volume. A program that runs there as the host's root can
 * leave files that are set-user-id root, or have capabilities, for any other user of the host that can reach them.
 */
import type { Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { conflicting, unsupported } from '../../base/check.js';
import type { SharedConfig } from '../options/config.js';
import type { MountConfig } from '../options/mount-config.js';
import { isRoot } from '../../host/user-namespace-ids.js';

/** Ids of the host. */
export interface VolumeOwner {
  readonly uid: number;
  readonly gid: number;
}

export type VolumeOwners = ReadonlyMap<string, VolumeOwner>;

const NOBODY: VolumeOwner = { uid: 65_534, gid: 65_534 };

/**
 * Those of volumes in which the container's users are not the host's of the same numbers.
 *
 * @param look at the source of a volume.
 */
export async function volumeOwners(
  { userns, mounts }: SharedConfig,
  look: (mount: MountConfig) => Promise<Stats>,
): Promise<VolumeOwners> {
  const owners = new Map<string, VolumeOwner>();
  const lookAt = async (mount: MountConfig) => {
    const owner = await ownerOf(mount, () => look(mount), userns === 'auto');
    if (owner !== undefined) owners.set(mount.target, owner);
  };
  await Promise.all(mounts.filter(({ source }) => source !== undefined).map(lookAt));
  return owners;
}

async function ownerOf(
  mount: MountConfig,
  look: () => Promise<Stats>,
  ownUserNamespace: boolean,
): Promise<VolumeOwner | undefined> {
  if (!isRoot()) return checkRootless(mount);
  if (!ownUserNamespace) return checkWithHostUsers(mount);
  switch (mount.idmap) {
    case 'host':
      return undefined;
    case 'nobody':
      return NOBODY;
    case 'caller':
      return caller();
    case 'owner': {
      const { uid, gid } = await look();
      return { uid, gid };
    }
    case undefined:
      break;
  }
  if (mount.options.includes('ro')) return undefined;
  const [{ uid, gid }, exposed] = await Promise.all([look(), canBeReached(mount)]);
  if (!exposed) return undefined;
  return uid === 0 ? NOBODY : { uid, gid: gid === 0 ? NOBODY.gid : gid };
}

/** The user that has started this process, before sudo(8). */
function caller(): VolumeOwner {
  const { SUDO_UID: uid = '', SUDO_GID: gid = '' } = process.env;
  const byName = [uid, gid].every((id) => /^\d{1,10}$/.test(id));
  return byName
    ? { uid: Number(uid), gid: Number(gid) }
    : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}

/** The root of a rootless container is the user. */
function checkRootless({ idmap, from }: MountConfig): undefined {
  if (idmap === 'owner' || idmap === 'nobody')
    throw unsupported(
      from,
      `idmap=${idmap}`,
      'needs root: the root of a rootless container is the user',
    );
}

/** Such a container can become any user of the host without a volume. */
function checkWithHostUsers({ idmap, from }: MountConfig): undefined {
  if (idmap !== undefined && idmap !== 'host')
    throw conflicting(from, `idmap=${idmap} excludes userns "host"`, 'leave one of the two out');
}

/** Whether other users of the host can get there: not through a directory that is for root alone. */
export async function canBeReached({ source = '/' }: MountConfig): Promise<boolean> {
  const path: string[] = [];
  // A missing source is reported by the code that opens it.
  const end = await realpath(source).catch(() => '/');
  for (let directory = end; path.at(-1) !== '/'; directory = dirname(directory))
    path.push(directory);
  const closed = await Promise.all(
    path.map((directory) => stat(directory).then(isForRootAlone, () => false)),
  );
  return !closed.includes(true);
}

function isForRootAlone(stats: Stats): boolean {
  const { uid, gid, mode } = stats;
  const group = (mode & 0o010) !== 0 && gid !== 0;
  return stats.isDirectory() && uid === 0 && (mode & 0o001) === 0 && !group;
}
