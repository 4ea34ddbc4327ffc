/** What a container that runs has already of a network. */
import { join } from 'node:path';
import { type AddressClaim, claimsOf } from './addresses.js';
import { type Family, parseBlock, readAddress } from '../../base/cidr.js';
import type { NetworkStore } from './network-store.js';
import type { StoredNetwork } from './stored-network.js';

/** Undefined: it has no address of that family there. */
export function heldAddress(
  networks: NetworkStore,
  network: StoredNetwork,
  family: Family,
  containerId: string,
): AddressClaim | undefined {
  const held = claimsOf(networks, network.id).find(
    (claim) => claim.containerId === containerId && readAddress(claim.address)?.family === family,
  );
  const subnet = family === 4 ? network.ipv4 : network.ipv6;
  if (held === undefined || subnet === undefined) return undefined;
  const { address } = held;
  const directory = join(networks.claims, network.id, address);
  const { prefix } = parseBlock('subnet', subnet.subnet);
  return { address, prefix, file: join(directory, containerId), directory };
}
