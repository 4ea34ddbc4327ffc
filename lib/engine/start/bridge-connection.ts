/** What a start with networks of bridges needs: its addresses, and whom it asks for names. Loaded only for such a start. */
import { shortId } from '../../base/ids.js';
import type { ClaimContext } from '../../network/bridge/claim-context.js';
import {
  connect,
  type Connection,
  planConnection,
  possibleConnection,
} from '../../network/bridge/connect.js';
import { connectionTo } from '../../network/bridge/connection-to.js';
import {
  addressesOf,
  type Endpoint,
  isSamePlace,
  otherEndpoint,
  valuesOf,
} from '../../network/bridge/endpoint.js';
import type { NetworkStore } from '../../network/bridge/network-store.js';
import { gatewaysOf } from '../../network/bridge/gateways.js';
import type { PublishedPort } from '../../network/firewall/port-bindings.js';
import { namePolicyOf } from '../../network/names/policy-names.js';
import { type NamedContainer, planNameServers, RESOLVER_ADDRESS } from '../../network/names/name-servers.js'; // prettier-ignore
import type { HelperPlan, ResolverPlan } from '../../program/launch-input.js';
import type { BridgePlan } from '../../program/network-plan.js';
import type { StartValue } from '../../program/own-texts-template.js';
import type { ContainerConfig } from '../options/config.js';
import type { HostFiles } from '../spec/files.js';
import { same } from './cache-key.js';
import type { StartWarning } from './context.js';
import type { PortInfo } from '../store/stored.js';

/** What a start needs of its network, unless it is one with a bridge. */
export interface NetworkOfStart {
  readonly files: HostFiles | undefined;
  readonly helper?: HelperPlan;
  /** With a helper: the ports of the host that lead to the container. */
  readonly published?: readonly PortInfo[];
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
  config: ContainerConfig,
  { id, connects, kept }: BridgesOfStart,
  hostResolvConf: string,
  warn: (warning: StartWarning) => void,
): Promise<BridgedStart> {
  const { endpoints, names, ports, policy } = config;
  const { netlink } = context.networks;
  // Before anything is claimed: a rootless user needs pasta.
  const resolvConfThere = await netlink.userNetwork?.resolvConf(hostResolvConf);
  const isNew = connects && kept === undefined;
  const checked = isNew ? checkNames(context, { policy, endpoints, names }, warn) : undefined;
  checked?.catch(() => undefined); // it is awaited below, unless something else fails before
  const connection = connects
    ? await connect(context, id, endpoints, ports, policy, kept)
    : await possibleConnection(context, id, endpoints, ports, policy);
  try {
    await checked;
  } catch (error) {
    connection.release();
    throw error;
  }
  connection.warnings.forEach(warn);
  return new BridgedStart(context.networks, config, connection, resolvConfThere ?? hostResolvConf);
}

/** What the launch program of a start does for its networks. */
export interface BridgedPlan {
  readonly files: HostFiles;
  readonly resolver: ResolverPlan | undefined;
  readonly bridges: BridgePlan;
}

export class BridgedStart {
  constructor(
    private readonly networks: NetworkStore,
    private readonly config: ContainerConfig,
    /** The caller has to release it if the start comes to nothing. */
    readonly connection: Connection,
    private readonly hostResolvConf: string,
  ) {}

  /** It follows from the arguments and what `isLike` compares. @throws ERR_INVALID_OPTION */
  plan(id: string, endpoints: readonly Endpoint[] = this.connection.endpoints): BridgedPlan {
    const { networks, config, connection } = this;
    const named = namesOf(id, config, endpoints, this.hostResolvConf);
    const { resolver } = planNameServers(named.container, networks.resolver);
    const bridges = planConnection(networks, id, { ...connection, endpoints });
    return { files: named.files, resolver, bridges };
  }

  /** Whether their plans differ in their ids and addresses alone. @param other of the same configuration */
  isLike(other: BridgedStart): boolean {
    const [own, others] = [this.connection, other.connection];
    return (
      this.hostResolvConf === other.hostResolvConf &&
      own.endpoints.length === others.endpoints.length &&
      own.endpoints.every((endpoint, at) => isSamePlace(endpoint, others.endpoints[at])) &&
      same(own.opened, others.opened)
    );
  }

  /** What the texts of its plan have of it alone. */
  values(id: string, endpoints: readonly Endpoint[] = this.connection.endpoints): StartValue[] {
    const ofId = (text: string) => ({ text, bytes: Buffer.from(text, 'latin1') });
    return [ofId(id), ofId(shortId(id)), ...endpoints.flatMap(valuesOf)];
  }

  /** The same of another container, with addresses that differ in each byte that can. */
  otherEndpoints(id: string): Endpoint[] {
    const { config, connection } = this;
    return connection.endpoints.map((each, at) =>
      otherEndpoint(each, id, config.endpoints[at]?.mac),
    );
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
