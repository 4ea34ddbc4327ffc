/** Giving a container another name. */
import { checkContainerName } from '../options/host-names.js';
import { recordEvent } from '../store/container-events.js';
import { hasConnections } from '../store/current-options.js';
import { withLock } from '../../host/locks.js';
import { isActive, nameInUse } from '../store/store.js';
import type { StoredConfig } from '../store/stored.js';
import { changeContainer } from './change-container.js';
import type { ContainerContext } from './container-context.js';
import { storedContainer } from './inspect-container.js';
import { SupervisorClient } from './supervisor-client.js';

export async function renameContainer(
  context: ContainerContext,
  id: string,
  name: string,
): Promise<void> {
  const wanted = checkContainerName(name);
  const { store } = context;
  const supervisor = new SupervisorClient(context, id);
  const tell = async (config: StoredConfig) => {
    await supervisor.command((connection) => connection.renamed(config.name));
    if (!hasConnections(config)) return;
    const { tellNames } = await import('../networks/tell-names.js');
    await tellNames(store, config, async (registration) => {
      await supervisor.command((connection) => connection.registration(registration));
    });
  };
  await withLock(store.paths.runRoot, id, async () => {
    const { config, state } = storedContainer(store, id);
    if (config.name === wanted) throw nameInUse(wanted, id);
    const renamed = { ...config, name: wanted };
    await changeContainer(store, renamed, state, async (rollback) => {
      if (!(await store.claimName(wanted, id))) throw nameInUse(wanted, await store.named(wanted));
      rollback.push(() => store.releaseName(wanted, id));
      if (!isActive(state)) return;
      rollback.push(() => tell(config));
      await tell(renamed);
    });
    await store.releaseName(config.name, id);
    recordEvent(store, renamed, 'rename', { oldName: config.name });
  });
}
