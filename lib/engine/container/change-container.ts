/** A change of a container's configuration that concerns several files: it is made in all of them, or in none. */
import { isErrno } from '../../base/errno.js';
import { CREATED } from '../store/parse-stored.js';
import { noSuchContainer, type Store } from '../store/store.js';
import type { StoredConfig, StoredState } from '../store/stored.js';
import { deleteUnreadable } from './recover.js';

export type Rollback = (() => Promise<unknown>)[];

/**
 * Writes the new configuration beside the old one, makes the change in the other files, and then replaces the old
 * configuration. The caller holds the container's lock.
 *
 * @param change adds to `rollback`, before each part, what takes that part back; called in the reverse order when a
 *   later part fails
 * @throws ERR_STORAGE; ERR_NO_SUCH_CONTAINER when the container has removed itself meanwhile
 */
export async function changeContainer(
  store: Store,
  updated: StoredConfig,
  before: StoredState,
  change: (rollback: Rollback) => Promise<void>,
): Promise<void> {
  const staged = await store.stageConfig(updated);
  const rollback: Rollback = [() => staged.remove()];
  try {
    await change(rollback);
    try {
      await staged.commit();
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    await unlessGone(store, updated, before);
  } catch (error) {
    for (const back of rollback.reverse()) await back().catch(() => undefined);
    throw error;
  }
}

/** @throws ERR_NO_SUCH_CONTAINER when it removed itself meanwhile; what was written since is removed, too. */
async function unlessGone(store: Store, config: StoredConfig, before: StoredState): Promise<void> {
  const { state } = store.state(config.id);
  const lost = state === CREATED && before !== CREATED;
  if (store.config(config.id) !== undefined && state.status !== 'removing' && !lost) return;
  await store.releaseName(config.name, config.id);
  await deleteUnreadable(store, config.id);
  throw noSuchContainer(config.id);
}
