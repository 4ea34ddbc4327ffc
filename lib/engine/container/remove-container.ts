/** Removing a container with all that it wrote. */
import { constants } from 'node:os';
import { boolean, checkOptions } from '../../base/check.js';
import { isErrno } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';
import { isFull } from '../../base/storage.js';
import { withLock } from '../../host/locks.js';
import { isActive } from '../store/store.js';
import type { ContainerContext } from './container-context.js';
import { inspectContainer, isNoSuchContainer } from './inspect-container.js';
import { killContainer } from './kill-container.js';
import { deleteContainer, deleteUnreadable, deleteVolumesOf } from './recover.js';
import { done, kill, SupervisorClient } from './supervisor-client.js';
import { isRunning, refusalOf } from './transitions.js';

/** What is removed. */
export interface RemoveOptions {
  /** Kills it first if it runs. */
  readonly force?: boolean | undefined;
  /** Its anonymous volumes, too, unless other containers have them. With `autoRemove` they always are. */
  readonly volumes?: boolean | undefined;
}

const { SIGKILL } = constants.signals;

export async function removeContainer(
  context: ContainerContext,
  id: string,
  options: RemoveOptions,
): Promise<void> {
  const { force = false, volumes = false } = checkOptions(options);
  boolean('force', force);
  boolean('volumes', volumes);
  const { store } = context;
  const { runRoot } = store.paths;
  const supervisor = new SupervisorClient(context, id);
  // A supervisor that is just starting the container has its lock.
  if (force && !isActive(store.state(id).state)) await supervisor.killStart();
  await withLock(runRoot, id, () => Promise.resolve());
  try {
    const { status } = await inspectContainer(context, id);
    const refusal = refusalOf(status, 'remove', id);
    if (refusal !== undefined) {
      if (!force) throw refusal;
      await killContainer(context, id, SIGKILL).catch(ignoreNotRunning);
    }
  } catch (error) {
    if (!(error instanceof CaissonError && force)) throw error;
    if (error.code === 'ERR_DAMAGED_STATE') {
      // Its supervisor may still run it; it does not restart what is killed now.
      await supervisor.talk(kill(SIGKILL), done);
      await supervisor.lastExit();
      await withLock(runRoot, id, () => deleteUnreadable(store, id));
      return;
    }
    // With `autoRemove` it removes itself when it is killed.
    if (error.code !== 'ERR_NO_SUCH_CONTAINER') throw error;
  }
  await withLock(runRoot, id, async () => {
    const config = store.config(id);
    if (config === undefined) return;
    const { state } = store.state(id);
    if (isActive(state) && store.isSupervised(state))
      throw isRunning(id, 'remove it', 'another process has just started it');
    // The next command that finds what is left then goes on with the removal. A full disk does not prevent this one.
    await store
      .writeState(id, { ...state, status: 'removing', supervisor: '' })
      .catch(ignoreFullDisk);
    await deleteContainer(store, config);
    if (volumes && !config.autoRemove) await deleteVolumesOf(store, config);
  });
}

/** Removes it, running or not, if it is still there. */
export function disposeContainer(context: ContainerContext, id: string): Promise<void> {
  return removeContainer(context, id, { force: true }).catch((error: unknown) => {
    if (!isNoSuchContainer(error)) throw error;
  });
}

function ignoreFullDisk(error: unknown): void {
  if (!isFull(error) && !isErrno(error, 'ENOENT')) throw error;
}

function ignoreNotRunning(error: unknown): void {
  const code = error instanceof CaissonError ? error.code : undefined;
  if (code !== 'ERR_CONTAINER_NOT_RUNNING' && code !== 'ERR_NO_SUCH_CONTAINER') throw error;
}
