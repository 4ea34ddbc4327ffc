/** The volumes of a start. */
import { join } from 'node:path';
import { driverMount } from '../../volumes/driver-options.js';
import { dataOf, noSuchVolume, VolumeStore, volumesIn } from '../../volumes/volume-store.js';
import type { MountConfig } from '../options/mount-config.js';
import { NO_VOLUMES, type VolumeSource, type VolumeSources } from '../spec/volume-mounts.js';
import { anonymousNames, volumeNames } from '../store/volumes-of.js';
import type { StartContext } from './context.js';

export interface StartVolumes {
  readonly sources: VolumeSources;
  /** Below the container's own directory, for the anonymous volumes of a run, which end with it. */
  readonly directories: readonly string[];
  /** Whether another start with the same options finds the same, if all of its volumes exist. */
  readonly lasting: boolean;
}

const NONE: StartVolumes = { sources: NO_VOLUMES, directories: [], lasting: true };

/** In a run's directory: its anonymous volumes. */
const ANONYMOUS = 'volumes';

/** Volumes that do not exist yet are as they will be made. */
export function volumeSources(
  { store, containersRoot }: Pick<StartContext, 'store' | 'containersRoot'>,
  mounts: readonly MountConfig[],
  id: string,
): StartVolumes {
  if (!mounts.some(({ type }) => type === 'volume')) return NONE;
  const { paths } = store;
  const volumes = new VolumeStore(paths);
  const root = volumesIn(paths.dataRoot);
  const sources = new Map<string, VolumeSource>();
  const directories: string[] = [];
  let lasting = true;
  for (const { volume, target } of mounts) {
    if (volume === undefined) continue;
    const { name, driverOptions } = volume;
    if (name === undefined) {
      if (directories.length === 0) directories.push(ANONYMOUS);
      const directory = `${ANONYMOUS}/${directories.length - 1}`;
      directories.push(directory);
      sources.set(target, { directory: join(containersRoot, id, directory) });
      continue;
    }
    const options = volumes.get(name)?.options ?? driverOptions ?? {};
    const driver = driverMount(options);
    // Another volume may have that name later.
    if (driver !== undefined) lasting = false;
    sources.set(target, { directory: dataOf(root, name), driver });
  }
  return { sources, directories, lasting };
}

/** Of volumes that go with their container. */
export function anonymousDirectories(
  { store }: Pick<StartContext, 'store'>,
  mounts: readonly MountConfig[],
): string[] {
  const root = volumesIn(store.paths.dataRoot);
  return anonymousNames(mounts).map((name) => join(root, name));
}

/**
 * Holds the volumes of a run, and creates those that do not exist.
 *
 * @returns for `VolumeHolds.release`
 * @throws ERR_STORAGE, ERR_DAMAGED_STATE, ERR_NO_SUCH_VOLUME
 */
export async function holdVolumes(
  context: StartContext,
  mounts: readonly MountConfig[],
): Promise<readonly string[]> {
  const names = volumeNames(mounts);
  for (let tries = 0; !context.volumes.acquire(names); tries++) {
    // Another process may remove one at that moment.
    if (tries === MOST_TRIES) throw noSuchVolume(names.join(', '));
    await context.createVolumes(mounts);
  }
  return names;
}

const MOST_TRIES = 20;
