/** Giving back the addresses of a container that does not run, and what is published to them. */
import { existsSync } from 'node:fs';
import { NetworkStore } from '../../network/bridge/network-store.js';
import type { Store } from '../store/store.js';

/** Of one whose own teardown has not done it: its supervisor, or its engine and cleanup helper, were killed. */
export async function releaseAddresses({ paths }: Store, id: string): Promise<void> {
  const networks = new NetworkStore(paths);
  if (!existsSync(networks.claims)) return;
  const { releaseClaimsOf } = await import('../../network/bridge/left-claims.js');
  await releaseClaimsOf(networks, id);
}

/** Of starts that were killed before they had a directory. */
export async function releaseOrphanedAddresses(store: Store): Promise<void> {
  const { releaseOrphans } = await import('../../network/bridge/left-claims.js');
  await releaseOrphans(new NetworkStore(store.paths), (id) => existsSync(store.directory(id)));
}
