/** All detached containers: their files are read synchronously, and nothing that starts a container is loaded. */
import { CaissonError, type ErrorCode } from '../../base/errors.js';
import type { ContainerContext } from './container-context.js';
import { freezerLook } from '../../cgroup/freezer.js';
import { hasNetworkInfo } from '../store/current-options.js';
import { isSettled, noSuchContainer } from '../store/store.js';
import type { ContainerInfo, StoredConfig } from '../store/stored.js';

const LEFT_OUT: ReadonlySet<ErrorCode> = new Set(['ERR_NO_SUCH_CONTAINER', 'ERR_DAMAGED_STATE']);

/** Newest first. What is removed meanwhile, or cannot be read, is left out. */
export async function listContainers(context: ContainerContext): Promise<ContainerInfo[]> {
  const { store } = context;
  const ids = store.ids();
  const infos: ContainerInfo[] = [];
  if (ids.length === 0) return infos;
  const isPaused = freezerLook(await context.cgroups());
  for (const id of ids) {
    try {
      infos.push(lookAt(context, id, isPaused) ?? (await recovered(context, id)));
    } catch (error) {
      if (!(error instanceof CaissonError && LEFT_OUT.has(error.code))) throw error;
    }
  }
  infos.sort((a, b) => (a.config.created < b.config.created ? 1 : -1));
  if (!infos.some(({ config }) => hasNetworkInfo(config))) return infos;
  const { withNetworks } = await import('../networks/container-networks.js');
  return withNetworks(store, infos);
}

/** Undefined when its state cannot be believed. */
function lookAt(
  { store }: ContainerContext,
  id: string,
  isPaused: (config: StoredConfig) => boolean,
): ContainerInfo | undefined {
  const found = store.state(id);
  const config = store.config(id);
  if (config === undefined) throw noSuchContainer(id);
  if (!isSettled(store, found)) return undefined;
  const { state } = found;
  const status = state.status === 'running' && isPaused(config) ? 'paused' : state.status;
  return store.info(config, state, status);
}

async function recovered(context: ContainerContext, id: string): Promise<ContainerInfo> {
  const { inspectContainer } = await import('./inspect-container.js');
  return inspectContainer(context, id);
}
