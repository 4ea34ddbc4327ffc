/** What a start with networks of bridges needs: its addresses, and whom it asks for names. Loaded only for such a start. */
import { shortId } from '../../base/ids.js';
import type { ClaimContext } from '../../network/bridge/addresses.js';
import { connect, type Connection, planConnection } from '../../network/bridge/connect.js';
import { addressesOf } from '../../network/bridge/endpoint.js';
import { namePolicyOf } from '../../network/names/policy-names.js';
import { planNameServers, RESOLVER_ADDRESS } from '../../network/names/name-servers.js';
import type { HelperPlan, ResolverPlan } from '../../program/launch-input.js';
import type { ContainerConfig } from '../options/config.js';
import type { HostFiles } from '../spec/files.js';
import type { StartWarning } from './context.js';
import type { PortInfo } from '../store/stored.js';

/** What a start needs of its network. */
export interface NetworkOfStart {
  readonly files: HostFiles | undefined;
  readonly helper?: HelperPlan;
  /** With a helper: the ports of the host that lead to the container. */
  readonly published?: readonly PortInfo[];
  readonly resolver?: ResolverPlan | undefined;
  /** The caller has to release it if the start comes to nothing. */
  readonly connection?: Connection;
}

/** @throws as `connect`; then nothing stays claimed */
export async function connectBridges(
  context: ClaimContext,
  { name, hostname, names, endpoints, ports, policy }: ContainerConfig,
  { id, connects }: { readonly id: string; readonly connects: boolean },
  hostResolvConf: string,
  warn: (warning: StartWarning) => void,
): Promise<NetworkOfStart> {
  const make = connects ? connect : planConnection;
  const connection = await make(context, id, endpoints, ports, policy);
  try {
    connection.warnings.forEach(warn);
    const named = {
      id,
      name,
      hostname,
      dns: names.dns,
      endpoints: connection.endpoints.map((endpoint, at) => ({
        network: endpoint.network,
        aliases: endpoints[at]?.aliases ?? [],
        addresses: addressesOf(endpoint).map(({ address }) => address),
      })),
      hostResolvConf,
      policy: policy && namePolicyOf(shortId(id), policy),
    };
    const { resolver, resolvConf } = planNameServers(named, context.networks.resolver);
    const addresses = named.endpoints.flatMap((endpoint) => endpoint.addresses);
    const nameServer = resolver === undefined ? undefined : RESOLVER_ADDRESS;
    const gateway = connection.endpoints[0]?.network.ipv4.gateway;
    return { files: { resolvConf, addresses, gateway, nameServer }, resolver, connection };
  } catch (error) {
    connection.release();
    throw error;
  }
}
