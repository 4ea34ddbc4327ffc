/** Layers that use directories of the layers below them without containing them (decision 0026). */
import { open } from 'node:fs/promises';
import type { LayoutPaths } from '../../image/content/layout-paths.js';
import { chainIds } from '../../image/content/references.js';
import type { Descriptor } from '../../image/manifest.js';
import { differentBelow } from '../../image/unpack/implied-directories.js';
import { readLayer, type UnpackedLayer, unpackLayer } from '../../image/unpack/unpack-layer.js';
import { layerUsers } from './images-context.js';

export interface LayerToUnpack {
  readonly layer: Descriptor;
  readonly diffId: string;
}

/**
 * Unpacks those once more, for this chain of layers, whose implied directories have other attributes below.
 *
 * @param layers all of an image, the lowest one first; they are unpacked, and their blobs are in the store
 * @throws as unpackLayer
 */
export async function fitLayers(
  paths: LayoutPaths,
  layers: readonly LayerToUnpack[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const users = await layerUsers();
  const ids = chainIds(layers.map(({ diffId }) => diffId));
  const below: UnpackedLayer[] = [];
  for (const [index, { layer, diffId }] of layers.entries()) {
    const unpacked = readLayer(paths, diffId);
    if (unpacked === undefined) continue; // removed by hand; the start says so
    const directories = below.length === 0 ? [] : differentBelow(unpacked, below, users);
    below.push(unpacked);
    if (directories.length === 0) continue;
    const id = ids[index];
    if (id === undefined || readLayer(paths, id) !== undefined) continue;
    const blob = await open(paths.blob(layer.digest), 'r');
    try {
      const options = { diffId, id, directories, users, signal };
      await unpackLayer(paths, { input: blob.fd, ...options });
    } finally {
      await blob.close();
    }
  }
}
