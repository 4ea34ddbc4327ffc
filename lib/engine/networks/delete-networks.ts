/** `Networks.remove` and `Networks.prune`. */
import { CaissonError, type ErrorCode } from '../../base/errors.js';
import { dropStaleClaims } from '../../network/bridge/addresses.js';
import type { ClaimContext } from '../../network/bridge/claim-context.js';
import { removeNetwork } from '../../network/bridge/remove-network.js';
import type { DamagedNetwork } from '../../network/bridge/damaged-network.js';
import type { NetworkStore } from '../../network/bridge/network-store.js';
import type { AnyNetwork, StoredNetwork } from '../../network/bridge/stored-network.js';
import { matchesPrune, parsePruneFilters } from '../views/prune-filters.js';
import type { NetworksContext } from './container-lookup.js';
import { recordNetworkEvent } from '../store/network-events.js';
import { isPredefined } from './network-info.js';
import { tearDownNetwork } from './tear-down-network.js';

/** @throws ERR_NO_SUCH_NETWORK, ERR_AMBIGUOUS_ID, ERR_INVALID_OPTION, ERR_NETWORK_IN_USE */
export async function deleteNetwork(context: NetworksContext, reference: string): Promise<void> {
  const network = findOrDamaged(context.networks, reference);
  // A file of `bridge` that is damaged is made again when it is needed.
  if (!('bridge' in network) || (isPredefined(network) && 'ipv4' in network))
    throw new CaissonError('ERR_INVALID_OPTION', `${network.name} is a pre-defined network and cannot be removed`, { stage: 'config', path: 'name' }); // prettier-ignore
  await removeNetwork(context, network, tearDownNetwork);
  recordNetworkEvent(context.store.paths.runRoot, network, 'destroy');
}

function findOrDamaged(networks: NetworkStore, reference: string): AnyNetwork | DamagedNetwork {
  try {
    return networks.find(reference);
  } catch (error) {
    const damaged = networks.findDamaged(reference);
    if (
      damaged !== undefined &&
      error instanceof CaissonError &&
      error.code === 'ERR_DAMAGED_STATE'
    )
      return damaged;
    throw error;
  }
}

const SKIPPED: ReadonlySet<ErrorCode> = new Set(['ERR_NETWORK_IN_USE', 'ERR_NO_SUCH_NETWORK']);

/** Removes what killed processes have left behind: stale claims of addresses, and networks that were not completed. */
export async function freeAddresses(context: ClaimContext): Promise<void> {
  const { networks } = context;
  if (networks.isEmpty()) return;
  await networks.locked(async () => {
    await networks.deleteUnfinished();
    for (const { id } of networks.stored()) await dropStaleClaims(context, id);
  });
}

export async function pruneNetworks(
  context: NetworksContext,
  filters: readonly string[],
): Promise<StoredNetwork[]> {
  const wanted = parsePruneFilters(filters, new Date());
  const removed: StoredNetwork[] = [];
  await freeAddresses(context);
  for (const network of context.networks.stored()) {
    if (isPredefined(network) || !matchesPrune(wanted, network)) continue;
    try {
      await removeNetwork(context, network, tearDownNetwork);
    } catch (error) {
      if (!(error instanceof CaissonError && SKIPPED.has(error.code))) throw error;
      continue;
    }
    recordNetworkEvent(context.store.paths.runRoot, network, 'destroy');
    removed.push(network);
  }
  return removed;
}
