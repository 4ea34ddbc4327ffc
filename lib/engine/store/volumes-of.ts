/** Which volumes a container has. */
import type { MountConfig } from '../options/mount-config.js';
import { normalizeMounts } from '../options/mounts.js';
import { readableConfig, type Store } from './store.js';
import type { StoredConfig } from './stored.js';

/** In the engine's order, parents before what is inside them. */
export function mountsOf({
  mounts,
  options,
}: Pick<StoredConfig, 'mounts' | 'options'>): readonly MountConfig[] {
  return mounts ?? normalizeMounts(options);
}

/** The names of the volumes among them. */
export function volumeNames(mounts: readonly MountConfig[]): string[] {
  return mounts.flatMap(({ volume }) => volume?.name ?? []);
}

/** Those that go with the container: nobody has named them. */
export function anonymousNames(mounts: readonly MountConfig[]): string[] {
  return mounts.flatMap(({ volume }) => (volume?.anonymous === true ? (volume.name ?? []) : []));
}

/** Long ids of the detached containers that have a volume, by its name. */
export function volumeUsers(store: Store): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  for (const id of store.ids()) {
    const config = readableConfig(store, id);
    if (config?.mounts === undefined) continue;
    for (const name of new Set(volumeNames(config.mounts))) {
      const ids = users.get(name);
      if (ids === undefined) users.set(name, [id]);
      else ids.push(id);
    }
  }
  return users;
}
