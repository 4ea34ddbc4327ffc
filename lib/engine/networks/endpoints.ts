/** The containers of a network. */
import { claimsOf, isHeld } from '../../network/bridge/addresses.js';
import { parseBlock, readAddress } from '../../base/cidr.js';
import { connectionTo } from '../../network/bridge/connection-to.js';
import { macOf } from '../../network/bridge/endpoint.js';
import type { StoredNetwork } from '../../network/bridge/stored-network.js';
import { currentConnections } from '../store/current-options.js';
import { readableConfig } from '../store/store.js';
import type { NetworksContext } from './container-lookup.js';

/** A container that has an address in the network. */
export interface NetworkEndpoint {
  /** Long id. */
  readonly containerId: string;
  /** Undefined for the container of a run. */
  readonly name?: string | undefined;
  /** With the length of the subnet's prefix: `172.17.0.2/16`. */
  readonly ipv4?: string | undefined;
  /** The same of IPv6. */
  readonly ipv6?: string | undefined;
  /** Of its interface: lower case, with colons. Undefined for the container of a run. */
  readonly mac?: string | undefined;
}

/** By their claims of addresses. Those of containers that do not run any more are left out. */
export async function findEndpoints(
  context: NetworksContext,
  network: StoredNetwork,
): Promise<NetworkEndpoint[]> {
  const found = new Map<string, NetworkEndpoint>();
  for (const claim of claimsOf(context.networks, network.id)) {
    if (!(await isHeld(context, claim))) continue;
    const { containerId, address } = claim;
    const name = context.containers.nameOf(containerId);
    const isIPv4 = readAddress(address)?.family === 4;
    const subnet = isIPv4 ? network.ipv4 : network.ipv6;
    if (subnet === undefined) continue;
    const text = `${address}/${parseBlock('subnet', subnet.subnet).prefix}`;
    const mac = isIPv4 ? macAddress(context, network, containerId, address) : undefined;
    found.set(containerId, {
      containerId,
      ...(name === undefined ? {} : { name }),
      ...found.get(containerId),
      ...(isIPv4 ? { ipv4: text } : { ipv6: text }),
      ...(mac === undefined ? {} : { mac }),
    });
  }
  return [...found.values()];
}

/** That which it was created with, or that which follows from its address. */
function macAddress(
  { store }: NetworksContext,
  network: StoredNetwork,
  containerId: string,
  ipv4: string,
) {
  const config = readableConfig(store, containerId);
  if (config === undefined) return undefined;
  const connection = connectionTo(network, currentConnections(config));
  return connection?.macAddress?.toLowerCase().replaceAll('-', ':') ?? macOf(ipv4);
}
