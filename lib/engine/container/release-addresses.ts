/** Giving back the addresses of a container that does not run, and what is published to them. */
import { existsSync } from 'node:fs';
import { NetworkStore } from '../../network/bridge/network-store.js';
import type { Store } from '../store/store.js';

/** Of one whose own teardown has not done it: its supervisor, or its engine and cleanup helper, were killed. */
export async function releaseAddresses(store: Store, id: string): Promise<void> {
  if (!existsSync(new NetworkStore(store.paths).claims)) return;
  const { networkStoreOf } = await import('../networks/container-lookup.js');
  const { releaseClaimsOf } = await import('../../network/bridge/left-claims.js');
  await releaseClaimsOf(networkStoreOf(store), id);
}

/** Of starts that were killed before they had a directory. */
export async function releaseOrphanedAddresses(store: Store): Promise<void> {
  const { releaseOrphans } = await import('../../network/bridge/left-claims.js');
  const { networkStoreOf } = await import('../networks/container-lookup.js');
  await releaseOrphans(networkStoreOf(store), (id) => existsSync(store.directory(id)));
}
