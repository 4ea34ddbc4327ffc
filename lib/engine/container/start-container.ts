/** Starting a container that `create` has made. */
import { CaissonError } from '../../base/errors.js';
import { withLock } from '../../host/locks.js';
import { settleLayers } from '../store/frozen-layers.js';
import type { StoredConfig, StoredState } from '../store/stored.js';
import type { FirstClient } from '../supervisor/first-client.js';
import { startDetached } from '../supervisor/start-detached.js';
import type { ContainerContext } from './container-context.js';
import { statusOf, storedContainer } from './inspect-container.js';
import { deleteContainer, tearDownRun } from './recover.js';
import { checkAllowed } from './transitions.js';

/** @param client is attached from the beginning, and misses nothing */
export async function startContainer(
  context: ContainerContext,
  id: string,
  client?: FirstClient,
): Promise<void> {
  const { store } = context;
  const startContext = await context.startContext();
  await withLock(store.paths.runRoot, id, async (lock) => {
    const { config, state, damaged } = storedContainer(store, id);
    const status = await statusOf(context, config, { state, damaged });
    if (!checkAllowed(status, client === undefined ? 'start' : 'startAttached', id)) return;
    // What a killed supervisor may have left, whatever it was doing.
    if (damaged || state.status !== 'created' || state.finishedAt !== '')
      await tearDownRun(store, config, state);
    settleLayers(store, config);
    try {
      await startDetached(startContext, store, config, client, lock);
    } catch (error) {
      // The caller has to know why it did not start, also where that cannot be written to the disk.
      await startFailed(context, config, state, error).catch(() => undefined);
      throw error;
    }
  });
}

/**
 * As Docker: the container stays as it was, with the exit code that the command line would end with. If that is 125, it keeps
 * the one that it had, so that a container does not look as if its program had ended well (moby daemon/start.go).
 */
async function startFailed(
  { store }: ContainerContext,
  config: StoredConfig,
  before: StoredState,
  error: unknown,
): Promise<void> {
  await tearDownRun(store, config);
  if (store.config(config.id) === undefined) return; // it has removed itself
  if (config.autoRemove) {
    await deleteContainer(store, config);
    return;
  }
  const failed = error instanceof CaissonError ? error : undefined;
  await store.writeState(config.id, {
    ...before,
    status: before.status === 'created' ? 'created' : 'exited',
    pid: 0,
    startTime: '',
    supervisor: '',
    exitCode:
      failed === undefined || failed.exitCode === 125 ? before.exitCode || 128 : failed.exitCode,
    error: error instanceof Error ? error.message : String(error),
  });
}
