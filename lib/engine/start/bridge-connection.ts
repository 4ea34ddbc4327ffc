/** What a start with networks of bridges needs: its addresses, and whom it asks for names. Loaded only for such a start. */
import { shortId } from '../../base/ids.js';
import type { ClaimContext } from '../../network/bridge/claim-context.js';
import { connect, type Connection, planConnection } from '../../network/bridge/connect.js';
import { connectionTo } from '../../network/bridge/connection-to.js';
import { addressesOf, type Endpoint } from '../../network/bridge/endpoint.js';
import { gatewaysOf } from '../../network/bridge/gateways.js';
import type { PublishedPort } from '../../network/firewall/port-bindings.js';
import { namePolicyOf } from '../../network/names/policy-names.js';
import { type NamedContainer, planNameServers, RESOLVER_ADDRESS } from '../../network/names/name-servers.js'; // prettier-ignore
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

/** For which container, and how. */
export interface BridgesOfStart {
  /** Long id. */
  readonly id: string;
  /** It is started: addresses are claimed for it. */
  readonly connects: boolean;
  /** It runs: its ports. */
  readonly kept?: readonly PublishedPort[] | undefined;
}

/** @throws as `connect`; then nothing stays claimed */
export async function connectBridges(
  context: ClaimContext,
  { name, hostname, names, endpoints, ports, policy }: ContainerConfig,
  { id, connects, kept }: BridgesOfStart,
  hostResolvConf: string,
  warn: (warning: StartWarning) => void,
): Promise<NetworkOfStart> {
  const { netlink } = context.networks;
  // Before anything is claimed: a rootless user needs pasta.
  const resolvConfThere = await netlink.userNetwork?.resolvConf(hostResolvConf);
  const isNew = connects && kept === undefined;
  const checked = isNew ? checkNames(context, { policy, endpoints, names }, warn) : undefined;
  checked?.catch(() => undefined); // it is awaited below, unless something else fails before
  const connection = connects
    ? await connect(context, id, endpoints, ports, policy, kept)
    : await planConnection(context, id, endpoints, ports, policy);
  try {
    await checked;
    connection.warnings.forEach(warn);
    const named = namesOf(id, { name, hostname, names, endpoints, policy }, connection.endpoints, resolvConfThere ?? hostResolvConf); // prettier-ignore
    const { resolver } = planNameServers(named.container, context.networks.resolver);
    return { files: named.files, resolver, connection };
  } catch (error) {
    connection.release();
    throw error;
  }
}

/**
 * Beside whatever else a start looks up. @throws ERR_NAME_NOT_FOUND for a name in `allow` that does not exist
 */
export async function checkNames(
  context: ClaimContext,
  config: Pick<ContainerConfig, 'policy' | 'endpoints' | 'names'>,
  warn: (warning: StartWarning) => void,
): Promise<void> {
  if (config.policy?.allow.names.some(({ below }) => !below) !== true) return;
  const { checkAllowedNames } = await import('./allowed-names.js');
  await checkAllowedNames(context, config, warn);
}

/** What a container finds names by. */
export interface NamesOfConnection {
  readonly files: HostFiles;
  /** For the resolver. */
  readonly container: NamedContainer;
}

/** @param config its `endpoints` are those of `endpoints`, and may be more */
export function namesOf(
  id: string,
  { name, hostname, names, endpoints: configs, policy }: NamedConfig,
  endpoints: readonly Endpoint[],
  hostResolvConf: string,
  hasResolver = false,
): NamesOfConnection {
  const container = {
    id,
    name,
    hostname,
    dns: names.dns,
    endpoints: endpoints.map((endpoint) => ({
      network: endpoint.network,
      aliases: connectionTo(endpoint.network, configs)?.aliases ?? [],
      addresses: addressesOf(endpoint).map(({ address }) => address),
    })),
    hostResolvConf,
    hasResolver,
    policy: policy && namePolicyOf(shortId(id), policy),
  };
  const { resolver, resolvConf } = planNameServers(container, '');
  const addresses = container.endpoints.flatMap((endpoint) => endpoint.addresses);
  const nameServer = resolver === undefined ? undefined : RESOLVER_ADDRESS;
  const gateway = (gatewaysOf(endpoints).ipv4 ?? endpoints[0])?.network.ipv4.gateway;
  return { files: { resolvConf, addresses, gateway, nameServer }, container };
}

type NamedConfig = Pick<ContainerConfig, 'name' | 'hostname' | 'names' | 'endpoints' | 'policy'>;
