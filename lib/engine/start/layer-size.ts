/** What detached containers have written. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { loadNative } from '../../native/load.js';
import { isErrno } from '../../base/errno.js';
import { treeSize } from '../../native/tree-size.js';

/** In the container's directory, where its layer has a size: a file system (layer.ts). Only root can open it. */
export const LAYER_IMAGE = 'layer.img';
export const LAYER_TYPE = 'ext4';

/** Bytes in its writable layer, whether it runs or not. */
export function layerSize(directory: string): Promise<number> {
  return sizeOf(directory, join(directory, 'upper'));
}

/** Bytes that go with the container when it is removed. */
export function sizeOnDisk(directory: string): Promise<number> {
  return sizeOf(directory, directory);
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
