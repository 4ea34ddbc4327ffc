/** What `explain` says of volumes beside the program: what the kernel makes of it is known only when it has been tried. */
import { probeMachine } from '../../native/probe.js';
import type { SharedConfig } from '../options/config.js';
import type { MountConfig } from '../options/mount-config.js';
import { checkSources } from './sources.js';
import { canBeReached, type VolumeOwner } from './volume-owners.js';

/** Lines, one for each thing to know. */
export async function noteVolumes(config: SharedConfig): Promise<string[]> {
  const { owners } = await checkSources(config);
  const notes = await Promise.all(
    config.mounts.map(async (mount) => {
      if (mount.source === undefined) return [];
      const owner = owners.get(mount.target);
      const mapped = config.userns === 'auto' || owner !== undefined;
      return [
        await noteUsers(mount, owner),
        mapped ? await noteOwnership(mount.source, mount) : undefined,
      ];
    }),
  );
  return notes.flat().filter((note) => note !== undefined);
}

async function noteUsers(
  mount: MountConfig,
  owner: VolumeOwner | undefined,
): Promise<string | undefined> {
  const { source, target, options } = mount;
  if (owner !== undefined && owner.uid !== 0)
    return `${target}: the container's user is ${owner.uid}:${owner.gid} in ${source}, and all other users are nobody`;
  if (options.includes('ro') || !(await canBeReached(mount))) return undefined;
  return (
    `warning: ${target}: the container's root is the host's in ${source}, which other users can reach: it can leave them ` +
    'files that are set-user-id root (idmap=owner and idmap=nobody map another user; ro)'
  );
}

async function noteOwnership(source: string, { target }: MountConfig): Promise<string | undefined> {
  const tried = (await probeMachine(source)).get('idmap.data');
  if (tried?.errno === undefined) return undefined;
  return (
    `${target}: the file system of ${source} cannot be idmapped (${tried.errno}): owners that are not the container's show as ` +
    'nobody, and the container has the rights that all users have there'
  );
}
