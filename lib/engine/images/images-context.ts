/** What the verbs of images share. */
import { ContentStore } from '../../image/content/content-store.js';
import type { Collected } from '../../image/content/collect.js';
import { isActive, readableConfig, type Store } from '../store/store.js';

export interface ImagesContext {
  /** Of the containers. */
  readonly store: Store;
  readonly content: ContentStore;
  /** Of a layer, whose files may belong to ids of containers. */
  readonly removeTree: (path: string) => Promise<void>;
}

export function imagesContext(
  store: Store,
  removeTree: ImagesContext['removeTree'],
): ImagesContext {
  return { store, content: new ContentStore(store.paths.dataRoot), removeTree };
}

/** A detached container, and what it was made from. */
export interface ImageUser {
  /** Long id. */
  readonly container: string;
  /** Digest of the image's manifest. */
  readonly manifest: string;
  /** It has processes, or will have some again without a command. */
  readonly isActive: boolean;
}

export function imageUsers(store: Store): ImageUser[] {
  return store.ids().flatMap((container) => {
    const image = readableConfig(store, container)?.image;
    const { manifest } = (image ?? {}) as { readonly manifest?: string };
    if (manifest === undefined) return [];
    return { container, manifest, isActive: isActive(store.state(container).state) };
  });
}

/** Removes what no image, container or operation needs. @throws ERR_LOCK_TIMEOUT, ERR_REMOVE_FAILED */
export function collectUnused({ store, content, removeTree }: ImagesContext): Promise<Collected> {
  const roots = () => Promise.resolve(imageUsers(store).map(({ manifest }) => manifest));
  return content.collect({ roots, removeTree });
}
