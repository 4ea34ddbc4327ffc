/** Pausing a container, and resuming it. */
import { freezerState, setFrozen } from '../../cgroup/freezer.js';
import { recordEvent } from '../store/container-events.js';
import { withLock } from '../../host/locks.js';
import type { SupervisorConnection } from '../supervisor/supervisor-connection.js';
import type { ContainerContext } from './container-context.js';
import { directoriesOf, statusOf, storedContainer } from './inspect-container.js';
import { SupervisorClient } from './supervisor-client.js';
import { checkAllowed, refusalOf } from './transitions.js';

export function pauseContainer(context: ContainerContext, id: string): Promise<void> {
  return freeze(context, id, 'pause');
}

export function unpauseContainer(context: ContainerContext, id: string): Promise<void> {
  return freeze(context, id, 'unpause');
}

/**
 * Pauses it while `work` runs. It goes on afterwards, also if this process is killed meanwhile: the supervisor thaws it
 * when the connection ends.
 *
 * @throws as `pauseContainer`; as `work`
 */
export async function whilePaused<T>(
  context: ContainerContext,
  id: string,
  work: () => Promise<T>,
): Promise<T> {
  const supervisor = new SupervisorClient(context, id);
  let held: SupervisorConnection | undefined;
  try {
    await freeze(context, id, 'pause', async () => {
      held = await supervisor.retry(() => supervisor.hold((connection) => connection.thaw(true)));
    });
    try {
      return await work();
    } finally {
      // Revoked under the lock: what another process pauses from then on stays paused.
      await freeze(context, id, 'unpause', () => revoked(held)).catch(() => undefined);
    }
  } finally {
    held?.close();
  }
}

/** The supervisor does not thaw the container any more when the connection ends. */
async function revoked(held: SupervisorConnection | undefined): Promise<void> {
  if (held === undefined || held.closed) return;
  await new Promise<void>((resolve) => {
    held.listener = { done: () => resolve(), closed: resolve };
    held.thaw(false);
  });
}

/** @param hold called under the container's lock: before a pause, after an unpause */
function freeze(
  context: ContainerContext,
  id: string,
  verb: 'pause' | 'unpause',
  hold?: () => Promise<void>,
): Promise<void> {
  const { store } = context;
  return withLock(store.paths.runRoot, id, async () => {
    const { config, ...found } = storedContainer(store, id);
    checkAllowed(await statusOf(context, config, found), verb, id);
    if (verb === 'pause') await hold?.();
    try {
      await setFrozen(await directoriesOf(context, config), verb === 'pause');
    } catch (error) {
      // It has ended meanwhile, or is about to be run again.
      const directories = await directoriesOf(context, config);
      const ended = directories.length > 0 && (await freezerState(directories)) === undefined;
      throw (ended ? refusalOf('exited', verb, id) : undefined) ?? error;
    }
    if (verb === 'unpause') await hold?.();
    recordEvent(store, config, verb);
  });
}
