/** Removing a network: its claims of addresses, what the kernel has of it, its file. */
import { CaissonError } from '../../base/errors.js';
import { shortId } from '../../base/ids.js';
import { type Claim, dropStaleClaims, removeClaimsDirectory } from './addresses.js';
import type { ClaimContext } from './claim-context.js'; // prettier-ignore
import type { DamagedNetwork } from './damaged-network.js';
import type { NetlinkOptions } from '../netlink/request.js';
import { noSuchNetwork } from './network-store.js';

/**
 * Removes a network that no container uses, also if its file is damaged.
 *
 * @param tearDown removes what the kernel has of it, while no container can be connected to it
 * @throws ERR_NETWORK_IN_USE; ERR_NO_SUCH_NETWORK if it was removed meanwhile; ERR_NETWORK_FAILED
 */
export async function removeNetwork(
  context: ClaimContext,
  network: DamagedNetwork,
  tearDown: (network: DamagedNetwork, options: NetlinkOptions) => Promise<void>,
): Promise<void> {
  const { networks } = context;
  await networks.locked(async () => {
    if (!networks.has(network.id)) throw noSuchNetwork(network.name);
    const held = await dropStaleClaims(context, network.id);
    // A claim that is made at this moment is in the directory, and keeps it. The next one needs the lock to make it again.
    if (held.length > 0 || !removeClaimsDirectory(networks, network.id))
      throw networkInUse(context, network, held);
    await tearDown(network, networks.netlink);
    await networks.delete(network.id);
  });
}

/** With Docker's text (moby, libnetwork/error.go). */
function networkInUse(
  { containers }: ClaimContext,
  { name, id }: DamagedNetwork,
  held: readonly Claim[],
): CaissonError {
  const ids = [...new Set(held.map(({ containerId }) => containerId))];
  const endpoints = ids.map(
    (container) => `name:"${containers.nameOf(container) ?? ''}" id:"${shortId(container)}"`,
  );
  const who = endpoints.length === 0 ? '' : ` (${endpoints.join(', ')})`;
  return new CaissonError(
    'ERR_NETWORK_IN_USE',
    `error while removing network: network ${name} has active endpoints${who}`,
    { stage: 'config', path: id, hint: 'stop its containers first' },
  );
}
