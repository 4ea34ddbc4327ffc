/** `volumesFrom`: the mounts that detached containers give to another one. */
import type { SharedConfig } from '../options/config.js';
import { givenMounts, withGivenMounts } from '../options/volumes-from.js';
import { noSuchContainer } from '../store/store.js';
import { mountsOf } from '../store/volumes-of.js';
import type { StartContext } from './context.js';

/** @throws ERR_NO_SUCH_CONTAINER, ERR_AMBIGUOUS_ID, ERR_DAMAGED_STATE */
export async function withMountsOfOthers(
  { store }: Pick<StartContext, 'store'>,
  { mounts, volumesFrom }: Pick<SharedConfig, 'mounts' | 'volumesFrom'>,
): Promise<Pick<SharedConfig, 'mounts'>> {
  if (volumesFrom.length === 0) return { mounts };
  const given = await Promise.all(
    volumesFrom.map(async (from) => {
      const id = await store.find(from.container);
      const config = store.config(id);
      if (config === undefined) throw noSuchContainer(from.container);
      return givenMounts(mountsOf(config), from);
    }),
  );
  return { mounts: withGivenMounts(mounts, given) };
}
