/** Connections of a container to networks with a bridge: what a caller says of them, checked. */
import { isIPv4, isIPv6 } from 'node:net';
import { conflicting, invalid, isRecord, stringList, unsupported, wholeNumber } from '../../base/check.js'; // prettier-ignore
import { CaissonError } from '../../base/errors.js';
import { contains, formatAddress, parseBlock, readAddress } from '../../base/cidr.js';
import type { EndpointConfig } from '../../network/bridge/endpoint-config.js';

/** What is wanted of a container's interface in a network. */
export interface ConnectOptions {
  /** IPv4 address, in a network that was created. Default: the next free one. */
  readonly ip?: string | undefined;
  /** The same of IPv6, if the network has it. */
  readonly ip6?: string | undefined;
  /** Further names of the container there; only in a network that was created. */
  readonly aliases?: readonly string[] | undefined;
  /** Default: one that follows from the IPv4 address. */
  readonly macAddress?: string | undefined;
  /** Further addresses: of 169.254.0.0/16 or fe80::/10. */
  readonly linkLocalIps?: readonly string[] | undefined;
  /**
   * The network with the highest one has the default route, and the published ports lead to the address there. Of several, it is
   * the first by name. Default 0. A network from which no route leads out never has it.
   */
  readonly gatewayPriority?: number | undefined;
}

/** A connection to a network. */
export interface NetworkConnection extends ConnectOptions {
  /** `bridge`, the name or id of a network that was created, or the beginning of an id. */
  readonly network: string;
}

const CONNECTION_FIELDS: Readonly<Record<keyof NetworkConnection, true>> = {
  network: true,
  ip: true,
  ip6: true,
  aliases: true,
  macAddress: true,
  linkLocalIps: true,
  gatewayPriority: true,
};

/** Of the fields of a connection: the options of a container that mean the same for its first network. */
export interface FirstConnectionOptions {
  /** As in `ConnectOptions`. */
  readonly ip?: string | undefined;
  /** As in `ConnectOptions`. */
  readonly ip6?: string | undefined;
  /** As `aliases` in `ConnectOptions`. */
  readonly networkAliases?: readonly string[] | undefined;
  /** As in `ConnectOptions`. */
  readonly macAddress?: string | undefined;
  /** As in `ConnectOptions`. */
  readonly linkLocalIps?: readonly string[] | undefined;
}

/** The limits of names of interfaces (IFNAMSIZ), and of the resolver. */
export const MAX_NETWORKS = 32;

/** Go's int64, as far as JavaScript has it. */
const MAX_PRIORITY = Number.MAX_SAFE_INTEGER;

/** RFC 1035, section 2.3.4, as text. */
const MAX_NAME = 253;

const LINK_LOCAL = ['169.254.0.0/16', 'fe80::/10'].map((text) => parseBlock('block', text));

/** What the options of a container say of its first network, as a connection. */
export function firstConnection(
  network: string,
  options: FirstConnectionOptions,
): NetworkConnection {
  const { ip, ip6, networkAliases, macAddress, linkLocalIps } = options;
  return { network, ip, ip6, aliases: networkAliases, macAddress, linkLocalIps };
}

/** `networks` of a container: names, or objects. @throws ERR_INVALID_OPTION */
export function listConnections(value: unknown): readonly NetworkConnection[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalid('networks', value, 'is not an array');
  return (value as readonly unknown[]).map((each) => {
    if (typeof each === 'string') return { network: each };
    if (!isRecord(each)) throw invalid('networks', each, 'is neither a name nor an object');
    for (const key in each)
      if (!(key in CONNECTION_FIELDS)) throw invalid('networks', key, 'is not a field of a connection'); // prettier-ignore
    const { network } = each as Partial<NetworkConnection>;
    if (typeof network !== 'string') throw invalid('networks', network, 'is not the name of a network'); // prettier-ignore
    return each as NetworkConnection;
  });
}

/** @throws ERR_INVALID_OPTION, ERR_CONFLICTING_OPTIONS of a network that is named twice */
export function checkConnections(connections: readonly NetworkConnection[]): EndpointConfig[] {
  const endpoints = connections.map(checkConnection);
  if (endpoints.length > MAX_NETWORKS)
    throw invalid('networks', endpoints.length, `are too many: the limit is ${MAX_NETWORKS}`);
  const names = endpoints.map(({ network }) => network);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw conflicting('networks', `network "${twice}" is specified multiple times`);
  return endpoints;
}

/** @throws ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION, ERR_CONFLICTING_OPTIONS in Docker's words */
export function checkConnection(connection: NetworkConnection): EndpointConfig {
  const { ip, ip6, macAddress, gatewayPriority = 0 } = connection;
  const name = networkNameOf(connection.network);
  const aliases = stringList('networkAliases', connection.aliases ?? []).map(checkAlias);
  if (name === 'bridge') refuseOnBridge(connection, aliases);
  if (ip !== undefined && !isIPv4(ip)) throw invalid('ip', ip, 'is not an IPv4 address');
  if (ip6 !== undefined && (!isIPv6(ip6) || ip6.includes('%')))
    throw invalid('ip6', ip6, 'is not an IPv6 address');
  return {
    network: name,
    aliases,
    ip,
    ip6,
    mac: macAddress === undefined ? undefined : checkMac(macAddress),
    linkLocal: stringList('linkLocalIps', connection.linkLocalIps ?? []).map(checkLinkLocal),
    priority: wholeNumber('gatewayPriority', gatewayPriority, -MAX_PRIORITY, MAX_PRIORITY),
  };
}

function networkNameOf(network: string): string {
  // Docker's second name of it.
  const name = network === 'default' ? 'bridge' : network;
  if (name.includes(':'))
    throw unsupported(
      'network',
      network,
      'is not supported',
      'none, host, bridge, the name of a network, pasta, slirp4netns, container:NAME_OR_ID or ns:PATH',
    );
  if (!/^[a-zA-Z0-9][\w.-]*$/.test(name))
    throw invalid('network', name, 'is not the name of a network');
  return name;
}

function refuseOnBridge(connection: NetworkConnection, aliases: readonly string[]): void {
  const hint = 'create a network: `caisson network create`';
  const wanted = (['ip', 'ip6'] as const).find((option) => connection[option] !== undefined);
  if (wanted !== undefined)
    throw conflicting(
      wanted,
      'user specified IP address is supported on user defined networks only',
      hint,
    );
  if (aliases.length > 0)
    throw conflicting(
      'networkAliases',
      'network-scoped alias is supported only for containers in user defined networks',
      hint,
    );
}

function checkAlias(alias: string): string {
  if (alias.length > MAX_NAME || !/^[\w](?:[\w.-]*[\w])?$/.test(alias))
    throw invalid('networkAliases', alias, 'is not a host name');
  return alias.toLowerCase();
}

/** IEEE 802: six bytes; the lowest bit of the first says that it is a group's. */
function checkMac(text: string): string {
  if (
    typeof text !== 'string' ||
    !/^[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}$/i.test(text)
  )
    throw invalid('macAddress', text, 'is not a MAC address', 'such as 02:42:ac:11:00:02');
  const mac = text.toLowerCase().replaceAll('-', ':');
  if ((parseInt(mac.slice(0, 2), 16) & 1) !== 0 || mac === '00:00:00:00:00:00')
    throw invalid('macAddress', text, 'is not the address of one interface');
  return mac;
}

/** With moby's words (libnetwork/endpoint.go). */
function checkLinkLocal(text: string): string {
  const address = readAddress(text);
  if (address === undefined || !LINK_LOCAL.some((block) => contains(block, address)))
    throw new CaissonError('ERR_INVALID_OPTION', `invalid link local IP address: ${text}`, {
      stage: 'config',
      path: 'linkLocalIps',
      hint: 'an address of 169.254.0.0/16 or fe80::/10',
    });
  return formatAddress(address);
}
