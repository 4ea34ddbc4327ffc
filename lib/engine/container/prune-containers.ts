/** Removing all containers that do not run. */
import { CaissonError } from '../../base/errors.js';
import { isAlive } from '../../host/owner.js';
import { removedSize } from '../start/layer-size.js';
import { runOwner } from '../store/run-owner.js';
import { isActive } from '../store/store.js';
import type { ContainerInfo } from '../store/stored.js';
import type { ContainerContext } from './container-context.js';
import { listContainers } from './list-containers.js';
import { removeContainer } from './remove-container.js';

/** What was removed. */
export interface Pruned {
  /** Long ids. */
  readonly removed: readonly string[];
  /** Bytes. */
  readonly freed: number;
}

/**
 * Removes all that do not run and are chosen. What another process starts or removes meanwhile is left alone.
 *
 * @param chosen default: all of them
 */
export async function pruneContainers(
  context: ContainerContext,
  chosen: (info: ContainerInfo) => boolean = () => true,
): Promise<Pruned> {
  const removed: string[] = [];
  let freed = 0;
  for (const info of await listContainers(context)) {
    const { id } = info.config;
    if (isActive(info.state) || !chosen(info)) continue;
    // A rootless run that its process is about to start, or to remove.
    const owner = await runOwner(context.store, id);
    if (owner !== undefined && isAlive(owner)) continue;
    const size = await removedSize(context.store, info.config);
    try {
      await removeContainer(context, id, {});
    } catch (error) {
      if (!(error instanceof CaissonError)) throw error;
      if (error.code !== 'ERR_NO_SUCH_CONTAINER' && error.code !== 'ERR_CONTAINER_RUNNING')
        throw error;
      continue;
    }
    removed.push(id);
    freed += size;
  }
  return { removed, freed };
}
