/** How many bytes the image of a container has: `docker ps --size` counts them as virtual. */
import { layoutOf } from '../../image/snapshots/layout-of.js';
import { readConfig, readManifest } from '../../image/snapshots/stored-files.js';
import type { StoredConfig } from '../store/stored.js';
import { layerSizes } from './image-records.js';

/** Undefined for the host image and root directories, which are not counted, and for an image that is damaged. */
export async function imageSize(
  dataRoot: string,
  image: StoredConfig['image'],
): Promise<number | undefined> {
  if (image.kind !== 'name' || image.manifest === undefined) return undefined;
  const paths = layoutOf(dataRoot);
  const { name, manifest: digest } = image;
  try {
    const manifest = await readManifest(paths, digest, undefined, name);
    if (manifest.kind !== 'manifest') return undefined;
    const config = await readConfig(paths, manifest.config.digest, name);
    return layerSizes(paths, { manifest, config }).reduce((sum, size) => sum + size, 0);
  } catch {
    return undefined;
  }
}
