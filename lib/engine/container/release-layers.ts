/** Removing layers that forks have frozen (decision 0028) with the last container that has them. */
import { existsSync } from 'node:fs';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrno } from '../../base/errno.js';
import { FROZEN_LAYERS_LOCK, withLock } from '../../host/locks.js';
import { frozenBase, frozenDirectory } from '../store/frozen-layers.js';
import { type Store, readableConfig } from '../store/store.js';
import type { StoredConfig } from '../store/stored.js';
import { removeTree } from './remove-tree.js';

/** The container is gone. @throws ERR_REMOVE_FAILED */
export async function releaseLayers(
  store: Store,
  { id, layers = [] }: Pick<StoredConfig, 'id' | 'layers'>,
): Promise<void> {
  for (const layer of layers) {
    await rm(join(frozenDirectory(store, layer), 'users', id), { force: true });
    await removeUnused(frozenDirectory(store, layer));
  }
}

/** `users` can be removed when it is empty, and by one process only; no container can be added then. */
async function removeUnused(directory: string): Promise<void> {
  try {
    await rmdir(join(directory, 'users'));
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) return;
  }
  await removeTree(directory);
  // With the last of all; the next fork makes it.
  await rmdir(dirname(directory)).catch(() => undefined);
}

/** What killed processes have left: layers of containers that are gone, or were never made. */
export async function releaseAbandonedLayers(store: Store): Promise<void> {
  if ((await layersIn(store)).length === 0) return;
  // A fork holds it as long as there is a user without a container.
  await withLock(store.paths.runRoot, FROZEN_LAYERS_LOCK, async () => {
    for (const layer of await layersIn(store)) {
      const directory = frozenDirectory(store, layer);
      const users = await readdir(join(directory, 'users')).catch(() => undefined);
      const left = (users ?? []).filter((id) => !isUser(store, id, layer));
      if (users !== undefined && left.length < users.length) {
        for (const id of left) await rm(join(directory, 'users', id), { force: true });
        continue;
      }
      for (const id of left) await rm(join(directory, 'users', id), { force: true });
      await removeUnused(directory);
    }
  });
}

function isUser(store: Store, id: string, layer: string): boolean {
  if (!existsSync(join(store.directory(id), 'config.json'))) return false;
  // A fork that was killed between the two has made the layer, and not yet written that the container has it.
  if (existsSync(join(frozenDirectory(store, layer), 'root'))) return true;
  const config = readableConfig(store, id);
  return config === undefined || config.layers?.includes(layer) === true;
}

async function layersIn(store: Store): Promise<string[]> {
  try {
    return await readdir(frozenBase(store));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
