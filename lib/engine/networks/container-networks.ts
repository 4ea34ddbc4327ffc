/** What is known of the networks of detached containers: their addresses, and the ports of the host that lead to them. */
import { isIPv4 } from 'node:net';
import { CaissonError } from '../../base/errors.js';
import type { ClaimContext } from '../../network/bridge/claim-context.js';
import type { AnyNetwork, StoredNetwork } from '../../network/bridge/stored-network.js';
import { isStored } from '../../network/bridge/stored-network.js';
import { namesOn } from '../../network/names/name-servers.js';
import { type Publication, readPublication } from '../../network/bridge/publication.js';
import { claimsOf } from '../../network/firewall/port-bindings.js';
import type { FoundPort } from '../../network/firewall/published-ports.js';
import type { NetworkConnection } from '../options/network-connections.js';
import type { RunOptions } from '../options/options.js';
import { type ExposedPort, normalizePorts, portsOfContainer } from '../options/ports.js';
import { currentConnections, hasConnections, hasNetworkInfo } from '../store/current-options.js';
import { isActive } from '../store/store.js';
import type { ContainerInfo, EndpointInfo, PortInfo, StoredConfig } from '../store/stored.js';
import { claimContext } from './container-lookup.js';
import type { Store } from '../store/store.js';
import { findEndpoints, type NetworkEndpoint } from './endpoints.js';

/**
 * The same, in the same order, with `networks` and `ports`. Addresses are those that are claimed, ports those that the
 * firewall has, or that the last start has given to a network in user mode.
 *
 * @throws ERR_NETWORK_FAILED if the kernel does not tell its firewall's ports
 */
export async function withNetworks(
  store: Store,
  infos: readonly ContainerInfo[],
): Promise<ContainerInfo[]> {
  const { networks, endpointsOf } = look(store);
  const isPublishing = infos.some(
    ({ config, state }) => isActive(state) && hasConnections(config) && publishes(config.options),
  );
  const published = isPublishing ? await publishedPorts(claimContext(store)) : () => [];
  return Promise.all(
    infos.map(async (info) => {
      const { config, state } = info;
      if (!hasConnections(config)) return withUserPorts(store, info);
      const endpoints: EndpointInfo[] = [];
      const addresses: NetworkEndpoint[] = [];
      const connections = currentConnections(config);
      for (const connection of connections) {
        const network = networks(connection.network);
        if (network === undefined) continue;
        const found =
          isActive(state) && isStored(network)
            ? (await endpointsOf(network)).get(config.id)
            : undefined;
        if (found !== undefined) addresses.push(found);
        endpoints.push(
          found === undefined || !isStored(network)
            ? endpointOf(connection, network)
            : runningEndpoint(config, endpointOf(connection, network), network, found),
        );
      }
      if (endpoints.length === 0 && connections.length > 0) return info;
      const ports = addresses.length === 0 ? [] : portsOf(config, addresses, published(config.id));
      // As in Docker, a port of an internal network is none that could be published.
      const exposed = endpoints.some(({ gateway }) => gateway !== undefined) ? exposedOf(config, ports) : []; // prettier-ignore
      return { ...info, networks: endpoints, ports, exposed };
    }),
  );
}

/** Those of a container that there still are. */
export function connectedNetworks(store: Store, config: StoredConfig): readonly AnyNetwork[] {
  const { networks } = look(store);
  return currentConnections(config).flatMap(({ network }) => networks(network) ?? []);
}

/** Of a network in user mode. */
function withUserPorts(store: Store, info: ContainerInfo): ContainerInfo {
  const { config, state } = info;
  if (!hasNetworkInfo(config)) return info;
  if (!isActive(state)) return { ...info, ports: [] };
  const ports = [...store.ports(config.id)].sort(comparePorts);
  return { ...info, ports, exposed: exposedOf(config, ports) };
}

/** Each network is looked at once. */
function look(store: Store) {
  const context = claimContext(store);
  const endpoints = new Map<string, Promise<ReadonlyMap<string, NetworkEndpoint>>>();
  return {
    networks: (name: string): AnyNetwork | undefined => {
      try {
        return context.networks.find(name === 'default' ? 'bridge' : name);
      } catch (error) {
        // It was removed while the container did not run, or its file is damaged: what needs it says so.
        if (error instanceof CaissonError) return undefined;
        throw error;
      }
    },
    /** By the long id of the container. */
    endpointsOf: (network: StoredNetwork) => {
      const known = endpoints.get(network.id);
      if (known !== undefined) return known;
      const found = findEndpoints(context, network).then(
        (list) => new Map(list.map((each) => [each.containerId, each] as const)),
      );
      endpoints.set(network.id, found);
      return found;
    },
  };
}

function endpointOf(connection: NetworkConnection, { id, name }: AnyNetwork): EndpointInfo {
  const { aliases = [], ip, ip6, linkLocalIps, gatewayPriority = 0 } = connection;
  return {
    network: name,
    networkId: id,
    aliases: aliases.map((alias) => alias.toLowerCase()),
    dnsNames: [],
    wanted: {
      ...(ip === undefined ? {} : { ip }),
      ...(ip6 === undefined ? {} : { ip6 }),
      ...(linkLocalIps === undefined || linkLocalIps.length === 0 ? {} : { linkLocalIps }),
    },
    gatewayPriority,
  };
}

function runningEndpoint(
  config: StoredConfig,
  endpoint: EndpointInfo,
  network: StoredNetwork,
  found: NetworkEndpoint,
): EndpointInfo {
  const { ipv4, ipv6, mac } = found;
  const { hostname } = config.options;
  const { id, name } = config;
  const names = namesOn({ id, name, hostname, aliases: endpoint.aliases });
  return {
    ...endpoint,
    ipv4,
    ipv6,
    mac,
    ...(network.internal
      ? {}
      : { gateway: network.ipv4.gateway, ipv6Gateway: network.ipv6?.gateway }),
    dnsNames: network.name === 'bridge' ? [] : names,
  };
}

/** By the long id of a container, or of several. Undefined: this process may not ask for them. */
type Published = (id: string) => readonly FoundPort[] | undefined;

async function publishedPorts({ networks }: ClaimContext): Promise<Published> {
  // No network agent is started for it: a rootless user's firewall has what the files of its containers say.
  if (networks.netlink.userNetwork !== undefined)
    return (id) => portsOfPublication(readPublication(networks, id));
  const { listPublishedPorts } = await import('../../network/firewall/published-ports.js');
  try {
    const all = await listPublishedPorts();
    return () => all;
  } catch (error) {
    if (error instanceof CaissonError && error.errno === 'EPERM') return () => undefined;
    throw error;
  }
}

function portsOfPublication(publication: Publication | undefined): FoundPort[] {
  if (publication === undefined) return [];
  const { addresses, ports } = publication;
  const { ipv4, ipv6 } = addresses;
  return ports.flatMap((port) =>
    claimsOf(addresses, port).map(({ address: hostIp }) => {
      const address = (isIPv4(hostIp) ? (ipv4 ?? ipv6) : (ipv6 ?? ipv4)) ?? '';
      return { ...port, hostIp, address };
    }),
  );
}

/** An element that a killed supervisor has left may name an address that is another container's now. */
function portsOf(
  { options }: StoredConfig,
  endpoints: readonly NetworkEndpoint[],
  published: readonly FoundPort[] | undefined,
): readonly PortInfo[] | undefined {
  if (published === undefined) return publishes(options) ? undefined : [];
  const { ports, expose, publishAll } = options;
  const wanted = new Set(normalizePorts(ports, expose, publishAll).map(portKey));
  const addresses = endpoints
    .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
    .map((text) => text?.replace(/\/.*/, ''));
  return published
    .filter((port) => addresses.includes(port.address) && wanted.has(portKey(port)))
    .map(({ address: _, ...port }) => port)
    .sort(comparePorts);
}

function exposedOf(
  { options }: StoredConfig,
  published: readonly PortInfo[] | undefined,
): readonly ExposedPort[] {
  // Those that are published could not be told from the others.
  if (published === undefined) return [];
  const leads = new Set(published.map(portKey));
  return portsOfContainer(options.ports, options.expose).filter(
    (port) => !leads.has(portKey(port)),
  );
}

/** Whether it has ports of the host while it runs. */
function publishes({ ports = [], publishAll = false }: RunOptions): boolean {
  return ports.length > 0 || publishAll;
}

function portKey({ containerPort, protocol }: Pick<PortInfo, 'containerPort' | 'protocol'>) {
  return `${containerPort}/${protocol}`;
}

/** As Docker's: by port of the container, and IPv4 first. */
function comparePorts(a: PortInfo, b: PortInfo): number {
  return (
    a.containerPort - b.containerPort ||
    compareTexts(a.protocol, b.protocol) ||
    Number(a.hostIp.includes(':')) - Number(b.hostIp.includes(':')) ||
    compareTexts(a.hostIp, b.hostIp) ||
    a.hostPort - b.hostPort
  );
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
