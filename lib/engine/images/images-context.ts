/** What the verbs of images share. */
import { ContentStore } from '../../image/content/content-store.js';
import type { Collected } from '../../image/content/collect.js';
import {
  findUserNamespaceIds,
  isRoot,
  type UserNamespaceIds,
} from '../../host/user-namespace-ids.js';
import { isActive, readableConfig, type Store } from '../store/store.js';

export interface ImagesContext {
  /** Of the containers. */
  readonly store: Store;
  readonly content: ContentStore;
}

export function imagesContext(store: Store): ImagesContext {
  return { store, content: new ContentStore(store.paths.dataRoot) };
}

/** The ids of a rootless user, to whose containers the files of layers belong; undefined for root. */
export async function layerUsers(): Promise<UserNamespaceIds | undefined> {
  return isRoot() ? undefined : findUserNamespaceIds();
}

/** A detached container, and an image that it was made from or has mounted. */
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
    const config = readableConfig(store, container);
    const { manifest } = (config?.image ?? {}) as { readonly manifest?: string };
    const mounted = (config?.mounts ?? []).map(({ image }) => image?.manifest);
    const all = new Set([manifest, ...mounted].filter((each) => each !== undefined));
    if (all.size === 0) return [];
    const active = isActive(store.state(container).state);
    return [...all].map((each) => ({ container, manifest: each, isActive: active }));
  });
}

/** Removes what no image, container, operation or cache of builds needs. @throws ERR_LOCK_TIMEOUT, ERR_REMOVE_FAILED */
export async function collectUnused({ store, content }: ImagesContext): Promise<Collected> {
  const removeTree = async (path: string) => {
    const { removeLayerTree } = await import('../../image/unpack/remove-layer.js');
    await removeLayerTree(path, await layerUsers());
  };
  const { BuildCache } = await import('../../build/build-cache.js');
  const cache = new BuildCache(content.paths.root);
  const roots = () => [...imageUsers(store).map(({ manifest }) => manifest), ...cache.manifests()];
  return content.collect({ roots, removeTree });
}
