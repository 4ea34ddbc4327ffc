/** Images as they are written into a container's configuration, and back. */
import type { RootfsImage } from '../../image/rootfs.js';
import type {
  ImageChoice,
  PinnedImage,
  PlainImage,
  ResolvedImage,
} from '../../image/snapshots/resolve.js';
import { frozenLayersOf } from './frozen-layers.js';
import type { Store } from './store.js';
import type { StoredConfig } from './stored.js';

/** @param resolved what the name meant when the container was created */
export function storedImage(
  image: string | RootfsImage | PinnedImage,
  { manifest, id, defaults }: Partial<ResolvedImage> = {},
): StoredConfig['image'] {
  if (typeof image !== 'string' && image.kind === 'rootfs') return image;
  const name = typeof image === 'string' ? image : image.name;
  if (manifest === undefined || id === undefined) return { kind: 'name', name };
  return { kind: 'name', name, manifest, id, defaults };
}

/** The one that the container was created from, whatever its name means now. */
export function imageOf(image: StoredConfig['image']): PlainImage {
  if (image.kind !== 'name') return image;
  const { name, manifest } = image;
  return manifest === undefined ? name : { kind: 'image', name, manifest };
}

/** With the layers that forks have frozen. */
export function rootOf(store: Store, config: Pick<StoredConfig, 'image' | 'layers'>): ImageChoice {
  const image = imageOf(config.image);
  const frozen = frozenLayersOf(store, config);
  return frozen === undefined ? image : { kind: 'frozen', image, frozen };
}

/** For `ps`: a name, or the root directory. */
export function imageName(image: StoredConfig['image']): string {
  return image.kind === 'name' ? image.name : image.path;
}
