/** Images as they are written into a container's configuration, and back. */
import type { RootfsImage } from '../../image/rootfs.js';
import type { StoredConfig } from './stored.js';

export function storedImage(image: string | RootfsImage): StoredConfig['image'] {
  return typeof image === 'string' ? { kind: 'name', name: image } : image;
}

export function imageOf(image: StoredConfig['image']): string | RootfsImage {
  return image.kind === 'name' ? image.name : image;
}

/** For `ps`: a name, or the root directory. */
export function imageName(image: StoredConfig['image']): string {
  return image.kind === 'name' ? image.name : image.path;
}
