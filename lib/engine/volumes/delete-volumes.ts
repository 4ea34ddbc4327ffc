/** `Volumes.remove` and `Volumes.prune`. */
import { CaissonError } from '../../base/errors.js';
import { isAnonymous, type StoredVolume } from '../../volumes/stored-volume.js';
import { noSuchVolume, volumeInUse } from '../../volumes/volume-store.js';
import { sizeOnDisk } from '../start/layer-size.js';
import { recordVolumeEvent } from '../store/volume-events.js';
import { volumeUsers } from '../store/volumes-of.js';
import { matchesPruneVolume, type VolumePruneFilters } from './volume-filters.js';
import type { VolumesContext } from './volumes-context.js';

/** Also one whose file is damaged. @throws ERR_NO_SUCH_VOLUME, ERR_VOLUME_IN_USE, ERR_STORAGE, ERR_REMOVE_FAILED */
export async function deleteVolume(context: VolumesContext, name: string): Promise<void> {
  const { store, volumes, locks, removeTree } = context;
  const removeFiles = await volumes.locked(async () => {
    await volumes.removeUnfinished(removeTree);
    if (!volumes.names().includes(name)) throw noSuchVolume(name);
    const users = volumeUsers(store).get(name);
    if (users !== undefined) throw volumeInUse(name, users);
    return volumes.remove(name, locks, removeTree);
  });
  recordVolumeEvent(store.paths.runRoot, name, 'destroy');
  await removeFiles();
}

/** What was removed. */
export interface PrunedVolumes {
  /** Names. */
  readonly removed: readonly string[];
  /** Bytes. */
  readonly freed: number;
}

export async function pruneVolumes(
  context: VolumesContext,
  filters: VolumePruneFilters,
): Promise<PrunedVolumes> {
  const { volumes, removeTree } = context;
  const removed: string[] = [];
  let freed = 0;
  await volumes.locked(() => volumes.removeUnfinished(removeTree));
  const users = volumeUsers(context.store);
  for (const volume of volumes.all()) {
    if (users.has(volume.name) || !isWanted(filters, volume)) continue;
    const size = await sizeOnDisk(volumes.dataOf(volume.name));
    try {
      await deleteVolume(context, volume.name);
    } catch (error) {
      // Another process has just removed it, or given it to a container.
      const code = error instanceof CaissonError ? error.code : undefined;
      if (code !== 'ERR_NO_SUCH_VOLUME' && code !== 'ERR_VOLUME_IN_USE') throw error;
      continue;
    }
    removed.push(volume.name);
    freed += size;
  }
  return { removed, freed };
}

function isWanted(filters: VolumePruneFilters, volume: StoredVolume): boolean {
  return (filters.all || isAnonymous(volume)) && matchesPruneVolume(filters, volume);
}

/** Those of a container that is gone. One that another container has, or that has a name, stays. */
export async function deleteAnonymous(
  context: VolumesContext,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    try {
      await deleteVolume(context, name);
    } catch (error) {
      const code = error instanceof CaissonError ? error.code : undefined;
      if (code !== 'ERR_NO_SUCH_VOLUME' && code !== 'ERR_VOLUME_IN_USE') throw error;
    }
  }
}
