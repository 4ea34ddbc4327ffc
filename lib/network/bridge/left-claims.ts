/** What containers have left whose own teardown never ran: claims of addresses, ports that are published to these, and policies. */
import { readdirSync } from 'node:fs';
import { isErrno } from '../../base/errno.js';
import { isAlive } from '../../host/owner.js';
import { shortId } from '../../base/ids.js';
import { removeFramePorts } from '../firewall/remove-frame-ports.js';
import { clearAddresses } from '../policy/clear-addresses.js';
import { type Claim, claimsOf, dropClaim, dropUnfinishedClaims } from './addresses.js';
import type { NetlinkOptions } from '../netlink/request.js';
import { hostInterface } from './host-interface.js';
import type { NetworkStore } from './network-store.js';
import { publishers, removePublication } from './publication.js';

/**
 * Of a container that does not run. The caller holds its lock, or is the only one that knows it.
 *
 * @throws ERR_NETWORK_FAILED
 */
export async function releaseClaimsOf(networks: NetworkStore, containerId: string): Promise<void> {
  await release(
    networks,
    allClaims(networks).filter((each) => each.containerId === containerId),
  );
  removePublication(networks, containerId);
}

/**
 * Of a container that is not on the network, or no longer. It may run, on other networks: the filter for frames is as its interfaces
 * there need it.
 *
 * @throws ERR_NETWORK_FAILED
 */
export async function dropClaimsIn(
  networks: NetworkStore,
  networkId: string,
  containerId: string,
): Promise<void> {
  await release(
    networks,
    allClaims(networks).filter(
      (claim) => claim.network === networkId && claim.containerId === containerId,
    ),
    false,
  );
}

/**
 * Of starts whose process was killed after it had claimed addresses and before the first step: nothing else tells of them.
 *
 * @param exists whether the container with this long id has a directory
 * @throws ERR_NETWORK_FAILED
 */
export async function releaseOrphans(
  networks: NetworkStore,
  exists: (containerId: string) => boolean,
): Promise<void> {
  dropUnfinishedClaims(networks);
  await release(
    networks,
    allClaims(networks).filter(({ containerId, owner }) => !exists(containerId) && !isAlive(owner)),
  );
  // A start that claims addresses at this moment has done so before it writes this.
  const publishing = publishers(networks).filter((id) => !exists(id));
  const claiming = new Set(allClaims(networks).map(({ containerId }) => containerId));
  for (const id of publishing) if (!claiming.has(id)) removePublication(networks, id);
}

interface NetworkClaim extends Claim {
  readonly network: string;
}

/** Without a look at the networks' files, which may be damaged. */
function allClaims(networks: NetworkStore): NetworkClaim[] {
  return directoriesIn(networks.claims).flatMap((network) =>
    claimsOf(networks, network).map((claim) => ({ ...claim, network })),
  );
}

function directoriesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Ports first: the next container with the address must not get another's connections. */
async function release(
  networks: NetworkStore,
  claims: readonly NetworkClaim[],
  withInterfaces = true,
): Promise<void> {
  if (claims.length === 0) return;
  // The shared network of a rootless user ends with all that it has.
  if ((await networks.netlink.userNetwork?.isThere()) !== false)
    await clear(claims, withInterfaces, networks.netlink);
  for (const claim of claims) dropClaim(networks, claim.network, claim);
}

async function clear(
  claims: readonly NetworkClaim[],
  withInterfaces: boolean,
  netlink: NetlinkOptions,
): Promise<void> {
  const addresses = claims.map(({ address }) => address);
  await clearAddresses(addresses, netlink);
  const ports = new Set(
    (withInterfaces ? claims : []).map(({ containerId }) =>
      hostInterface(shortId(containerId), 0).slice(0, -1),
    ),
  );
  await removeFramePorts((name) => ports.has(name.slice(0, -1)), addresses, netlink);
}
