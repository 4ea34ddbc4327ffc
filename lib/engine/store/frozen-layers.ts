/**
 * Layers that a fork has frozen (decision 0028): `containers/layers/<id>/{root,work,users}`. `users` has a file for each container that
 * has the layer, and goes with the last of them, before the rest.
 */
import { existsSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { storageError } from '../../base/storage.js';
import type { FrozenLayers } from '../../program/launch-input.js';
import type { Store } from './store.js';
import type { StoredConfig } from './stored.js';

/** In the directory of the containers: a layer gets there by rename, which does not lead to another mount. */
const LAYERS = 'layers';

export function frozenBase({ containers }: Pick<Store, 'containers'>): string {
  return join(containers, LAYERS);
}

export function frozenDirectory(store: Store, layer: string): string {
  return join(frozenBase(store), layer);
}

/** Below the container's own layer, the top one first; undefined: none. */
export function frozenLayersOf(
  store: Store,
  { layers }: Pick<StoredConfig, 'layers'>,
): FrozenLayers | undefined {
  if (layers === undefined || layers.length === 0) return undefined;
  const base = frozenBase(store);
  return { base, layers: layers.map((layer) => join(base, layer, 'root')) };
}

/**
 * Moves the files of a container into the layer that its configuration names: also where a process was killed between the two. The
 * caller holds the container's lock, and knows that it does not run.
 *
 * @throws ERR_STORAGE
 */
export function settleLayers(store: Store, { id, layers }: StoredConfig): void {
  const top = layers?.[0];
  if (top === undefined) return;
  const to = frozenDirectory(store, top);
  const from = store.directory(id);
  if (existsSync(join(to, 'root')) || !hasOwnFiles(from)) return;
  try {
    // An index of overlay in there is one of these files.
    if (existsSync(join(from, 'work'))) renameSync(join(from, 'work'), join(to, 'work'));
    renameSync(join(from, 'upper'), join(to, 'root'));
  } catch (error) {
    throw storageError(to, error);
  }
}

/** Whether it has files of its own that a fork would share. */
export function hasOwnFiles(directory: string): boolean {
  return statSync(join(directory, 'upper'), { throwIfNoEntry: false })?.isDirectory() === true;
}
