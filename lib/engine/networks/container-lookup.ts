/** What claims of addresses need to know of containers. */
import { join } from 'node:path';
import { CaissonError } from '../../base/errors.js';
import { shortId } from '../../base/ids.js';
import { isAlive } from '../../host/owner.js';
import { isRoot } from '../../host/user-namespace-ids.js';
import { isLocked } from '../../host/locks.js';
import type { ClaimContext, ContainerLookup } from '../../network/bridge/claim-context.js';
import { SharedNetwork } from '../../network/shared-network.js';
import { NetworkStore } from '../../network/bridge/network-store.js';
import { currentConnections } from '../store/current-options.js';
import { runOwner } from '../store/run-owner.js';
import { isActive, readableConfig, type Store } from '../store/store.js';

export interface NetworksContext extends ClaimContext {
  /** Of the containers. */
  readonly store: Store;
}

export function claimContext(store: Store): NetworksContext {
  const networks = networkStoreOf(store);
  return {
    store,
    networks,
    containers: containerLookup(store),
    async unpublish(address) {
      if ((await networks.netlink.userNetwork?.isThere()) === false) return;
      const { clearAddresses } = await import('../../network/policy/clear-addresses.js');
      await clearAddresses([address], networks.netlink);
    },
    async reopenNames(id, policy) {
      const { namePolicyOf } = await import('../../network/names/policy-names.js');
      const { updateNamePolicy } = await import('../../network/names/resolver-client.js');
      try {
        await updateNamePolicy(
          networks.resolver,
          id,
          namePolicyOf(shortId(id), policy),
          networks.netlink,
        );
      } catch (error) {
        if (!(error instanceof CaissonError) || !ENDED.has(error.errno)) throw error;
      }
    },
  };
}

/** Of a container that has ended meanwhile. */
const ENDED: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ESRCH']);

/** Those of a rootless user are in a network namespace of that user. */
export function networkStoreOf({ paths }: Pick<Store, 'paths'>): NetworkStore {
  const directory = join(paths.runRoot, 'user-network');
  return new NetworkStore(paths, isRoot() ? undefined : new SharedNetwork(directory));
}

export function containerLookup(store: Store): ContainerLookup {
  return {
    isLive: (id) => isLive(store, id),
    nameOf: (id) => readableConfig(store, id)?.name,
    isNamed: (name) => store.ids().some((id) => namesOf(store, id).includes(name)),
  };
}

/** In lower case: its own, its host name and its aliases. */
function namesOf(store: Store, id: string): string[] {
  const config = readableConfig(store, id);
  if (config === undefined) return [];
  const aliases = currentConnections(config).flatMap((each) => each.aliases ?? []);
  const names = [config.name, config.options.hostname, ...aliases];
  return names.flatMap((name) => name?.toLowerCase() ?? []);
}

/**
 * A run lives as long as its owner. A detached container has processes, or will have some again, or is being started: the
 * process that starts it, and after that the supervisor until it has written its state, holds the container's lock.
 */
async function isLive(store: Store, id: string): Promise<boolean> {
  const owner = await runOwner(store, id);
  if (owner !== undefined) return isAlive(owner);
  const hasProcesses = (): boolean => {
    const { state } = store.state(id);
    return isActive(state) && store.isSupervised(state);
  };
  if (hasProcesses()) return true;
  // The lock may be released between the two looks at the state, because it has just been started.
  return (await isLocked(store.paths.runRoot, id)) || hasProcesses();
}
