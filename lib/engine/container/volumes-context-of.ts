/** What the verbs of volumes need, for a store of containers. */
import { loadNative } from '../../native/load.js';
import { VolumeHolds } from '../../volumes/volume-holds.js';
import { VolumeStore } from '../../volumes/volume-store.js';
import type { Store } from '../store/store.js';
import type { MountConfig } from '../options/mount-config.js';
import type { StartContext } from '../start/context.js';
import { ensureVolumes } from '../volumes/create-volume.js';
import type { VolumesContext } from '../volumes/volumes-context.js';
import { removeTree } from './remove-tree.js';

/** @param locks of an engine; default: none of this process */
export function volumesContext(store: Store, locks?: VolumesContext['locks']): VolumesContext {
  return {
    store,
    volumes: new VolumeStore(store.paths),
    locks: locks ?? new VolumeHolds(loadNative(), store.paths.dataRoot),
    removeTree,
  };
}

/** For runs; a detached container's are created together with it. */
export async function createVolumes(
  { store, volumes: locks }: Pick<StartContext, 'store' | 'volumes'>,
  mounts: readonly MountConfig[],
): Promise<void> {
  const context = volumesContext(store, locks);
  await context.volumes.locked(() => ensureVolumes(context, mounts));
}
