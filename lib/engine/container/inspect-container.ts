/** What a container is and in which status, and what a verb reads of it before it acts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CaissonError } from '../../base/errors.js';
import { freezerState } from '../../cgroup/freezer.js';
import { type CgroupDirectory, cgroupDirectories } from '../../cgroup/cgroup-paths.js';
import { isSettled, noSuchContainer, type Store } from '../store/store.js';
import type { ContainerInfo, ContainerStatus, StoredConfig, StoredState } from '../store/stored.js';
import type { ContainerContext } from './container-context.js';
import { recover } from './recover.js';

/** Milliseconds between two looks at a container whose supervisor is about to change it. */
const PAUSE = 10;

type FoundState = ReturnType<Store['state']>;

/**
 * Its configuration, state and status. What a killed supervisor left is recovered first.
 *
 * @throws ERR_NO_SUCH_CONTAINER, ERR_DAMAGED_STATE
 */
export async function inspectContainer(
  context: ContainerContext,
  id: string,
): Promise<ContainerInfo> {
  const { store } = context;
  for (;;) {
    const found = store.state(id);
    const config = store.config(id);
    if (config === undefined) throw noSuchContainer(id);
    if (isSettled(store, found))
      return store.info(config, found.state, await statusOf(context, config, found));
    try {
      await recover(store, id);
    } catch (error) {
      // As Docker: something of it can be neither ended nor removed.
      if (!(error instanceof CaissonError && error.code === 'ERR_REMOVE_FAILED')) throw error;
      return store.info(config, found.state, 'dead');
    }
    // Its supervisor is at work: it removes the container, or writes how it ended.
    if (!isSettled(store, store.state(id))) await pause();
  }
}

/** The same; undefined when it has been removed. */
export async function inspectIfThere(
  context: ContainerContext,
  id: string,
): Promise<ContainerInfo | undefined> {
  try {
    return await inspectContainer(context, id);
  } catch (error) {
    if (isNoSuchContainer(error)) return undefined;
    throw error;
  }
}

/** `dead` while a state does not say what is true: the supervisor that it names is gone. */
export async function statusOf(
  context: ContainerContext,
  config: StoredConfig,
  found: FoundState,
): Promise<ContainerStatus> {
  if (!isSettled(context.store, found)) return 'dead';
  const { status } = found.state;
  if (status !== 'running') return status;
  const frozen = await freezerState(await directoriesOf(context, config));
  return frozen === 'paused' ? 'paused' : 'running';
}

/** The cgroups of a container. */
export async function directoriesOf(
  context: ContainerContext,
  config: StoredConfig,
): Promise<readonly CgroupDirectory[]> {
  return cgroupDirectories(await context.cgroups(), config.id, config);
}

/**
 * What is stored of a container, for the holder of its lock.
 *
 * @throws ERR_NO_SUCH_CONTAINER, also for a container that is removing itself, which takes no lock
 */
export function storedContainer(
  store: Store,
  id: string,
): { readonly config: StoredConfig; readonly state: StoredState; readonly damaged: boolean } {
  const found = store.state(id);
  // In this order: a removal deletes the configuration first, and a container without a state looks like a new one.
  const config = store.config(id);
  if (config === undefined || found.state.status === 'removing') throw noSuchContainer(id);
  return { config, ...found };
}

export function isNoSuchContainer(error: unknown): boolean {
  return error instanceof CaissonError && error.code === 'ERR_NO_SUCH_CONTAINER';
}

export function pause(): Promise<void> {
  return sleep(PAUSE);
}
