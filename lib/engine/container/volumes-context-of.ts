/** What the verbs of volumes need, for a store of containers. */
import { CaissonError } from '../../base/errors.js';
import { errnoName } from '../../base/errno.js';
import { loadNative } from '../../native/load.js';
import { Encoder } from '../../program/encode.js';
import { VolumeHolds } from '../../volumes/volume-holds.js';
import { VolumeStore } from '../../volumes/volume-store.js';
import type { Store } from '../store/store.js';
import type { MountConfig } from '../options/mount-config.js';
import type { StartContext } from '../start/context.js';
import { ensureVolumes } from '../volumes/create-volume.js';
import type { VolumesContext } from '../volumes/volumes-context.js';
import { tearDown } from './tear-down.js';

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

/** Its files may belong to ids of a container. @throws ERR_REMOVE_FAILED */
async function removeTree(path: string): Promise<void> {
  const teardown = [{ op: 'tree.remove', texts: [path] }] as const;
  const error = await tearDown(
    new Encoder().encode({ slots: 0, host: [], container: [], teardown }),
  );
  if (error === null) return;
  const errno = errnoName(error.errno);
  throw new CaissonError('ERR_REMOVE_FAILED', `cannot remove ${error.object}: ${error.call}: ${errno}`, { stage: 'teardown', syscall: error.call, errno, path: error.object }); // prettier-ignore
}
