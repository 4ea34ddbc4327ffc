/** What `Networks.list` and `Networks.inspect` report. */
import { type AnyNetwork, isStored, type Subnet } from '../../network/bridge/stored-network.js';
import type { NetworksContext } from './container-lookup.js';
import { findEndpoints, type NetworkEndpoint } from './endpoints.js';

/** A network, as it is now. */
export interface NetworkInfo {
  /** Long id. */
  readonly id: string;
  /** Unique, as its id. */
  readonly name: string;
  /** `null` is the driver of the network `none`. */
  readonly driver: 'bridge' | 'host' | 'null';
  /** ISO 8601, UTC. Undefined: it is predefined, and needs no file, or not yet. */
  readonly created?: string | undefined;
  /** The bridge device; it exists from the first start of a container on. */
  readonly bridge?: string | undefined;
  /** Undefined for `host` and `none`, and for `bridge` until a container needs it. */
  readonly ipv4?: Subnet | undefined;
  /** Undefined: its containers have no addresses of IPv6. */
  readonly ipv6?: Subnet | undefined;
  /** No route leads out of it. */
  readonly internal: boolean;
  /** As it was given; without effect. */
  readonly attachable: boolean;
  /** By key. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of the driver. */
  readonly options: Readonly<Record<string, string>>;
  /** The containers that have an address in it. */
  readonly containers: readonly NetworkEndpoint[];
}

export async function networkInfo(
  context: NetworksContext,
  network: AnyNetwork,
): Promise<NetworkInfo> {
  const { id, name, driver } = network;
  if (!isStored(network))
    return { id, name, driver, internal: false, attachable: false, labels: {}, options: {}, containers: [] }; // prettier-ignore
  const { version: _, ...stored } = network;
  return { ...stored, containers: await findEndpoints(context, network) };
}

/** Whether caisson itself has it. */
export function isPredefined({ name }: Pick<NetworkInfo, 'name'>): boolean {
  return name === 'bridge' || name === 'host' || name === 'none';
}
