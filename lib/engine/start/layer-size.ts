/** What detached containers have written. */
import { readdirSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { loadNative } from '../../native/load.js';
import { isErrno } from '../../base/errno.js';
import { treeSize } from '../../native/tree-size.js';
import { frozenDirectory, frozenLayersOf } from '../store/frozen-layers.js';
import type { Store } from '../store/store.js';
import type { StoredConfig } from '../store/stored.js';

/** In the container's directory, where its layer has a size: a file system (layer.ts). Only root can open it. */
export const LAYER_IMAGE = 'layer.img';
export const LAYER_TYPE = 'ext4';

/** Bytes in its writable layer, whether it runs or not. */
export function layerSize(directory: string): Promise<number> {
  return sizeOf(directory, join(directory, 'upper'));
}

/** Bytes in a directory that is removed with something. */
export function sizeOnDisk(directory: string): Promise<number> {
  return sizeOf(directory, directory);
}

/** Bytes that are removed with the container: with the layers that forks have frozen and no other container has. */
export async function removedSize(store: Store, config: StoredConfig): Promise<number> {
  const alone = (config.layers ?? [])
    .map((layer) => frozenDirectory(store, layer))
    .filter((directory) => usersOf(directory) === 1);
  const sizes = await Promise.all([...alone, store.directory(config.id)].map(sizeOnDisk));
  return sizes.reduce((sum, size) => sum + size, 0);
}

function usersOf(directory: string): number {
  try {
    return readdirSync(join(directory, 'users')).length;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}

/** Bytes in the layers that forks have frozen, which other containers may have, too. */
export async function frozenSize(store: Store, config: StoredConfig): Promise<number> {
  const layers = frozenLayersOf(store, config)?.layers ?? [];
  const sizes = await Promise.all(layers.map((path) => treeSize(path)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Of the layer in the container's image; of `tree` where it has none. */
async function sizeOf(directory: string, tree: string): Promise<number> {
  const image = join(directory, LAYER_IMAGE);
  return (await isThere(image))
    ? loadNative().treeSize(image, LAYER_TYPE, 'upper')
    : treeSize(tree);
}

export async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
