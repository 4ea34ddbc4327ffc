/** Whom a container on bridges asks for names: the resolver, or the host's name servers directly. */
import { shortId } from '../../base/ids.js';
import { isLoopback } from '../../base/ip-address.js';
import type { ResolverPlan } from '../../program/launch-input.js';
import type { StoredNetwork } from '../bridge/stored-network.js';
import { redirectDns, RESOLVER_PORT } from './dns-redirect.js';
import type { NamePolicy } from './name-policy.js';
import { encodeRegistration, type Registration, type UpstreamServer } from './registration.js';
import { upstreamServers } from './upstream-servers.js';

/** The address of the resolver in each container's network namespace. */
export const RESOLVER_ADDRESS = '127.0.0.11';

/** As the resolver's limit. */
const MAX_SERVERS = 8;

/** The same for each container. */
export const REDIRECT = redirectDns();

export interface NameServerPlan {
  /** Undefined: it asks the servers of its resolv.conf itself. */
  readonly resolver: ResolverPlan | undefined;
  /** The host's resolv.conf(5), as far as it is the container's. */
  readonly resolvConf: string;
}

/** What is known of a container on one network. */
export interface NamedEndpoint {
  readonly network: StoredNetwork;
  /** In lower case. */
  readonly aliases: readonly string[];
  /** Without prefix lengths. */
  readonly addresses: readonly string[];
}

export interface NamedContainer {
  /** Long id. */
  readonly id: string;
  readonly name: string | undefined;
  readonly hostname: string | undefined;
  /** Name servers that were asked for. */
  readonly dns: readonly string[];
  readonly endpoints: readonly NamedEndpoint[];
  readonly hostResolvConf: string;
  /** A container that has one asks the resolver, whatever its networks: addresses are opened by names. */
  readonly policy?: NamePolicy | undefined;
  /** It has the resolver already: its resolv.conf names it. */
  readonly hasResolver?: boolean | undefined;
}

/** @param directory of the resolver */
export function planNameServers(container: NamedContainer, directory: string): NameServerPlan {
  const { hostResolvConf } = container;
  const registration = registrationOf(container);
  if (registration === undefined)
    return { resolver: undefined, resolvConf: withoutLoopback(hostResolvConf) };
  return {
    resolver: { directory, registration: encodeRegistration(registration), redirect: REDIRECT },
    resolvConf: withResolver(hostResolvConf),
  };
}

/**
 * As with Docker, containers of networks that were created find each other by name, by a resolver in their network
 * namespace; those of the network `bridge` ask the host's name servers, and have no registration. If these listen on
 * loopback addresses of the host alone, which the container cannot reach, it has the resolver, too.
 */
export function registrationOf(container: NamedContainer): Registration | undefined {
  const { id, dns, endpoints, hostResolvConf, policy } = container;
  const created = endpoints.filter(({ network }) => network.name !== 'bridge');
  const servers = serversOf(dns, hostResolvConf);
  const reachable = servers.filter(({ address }) => !isLoopback(address));
  const asksDirectly = created.length === 0 && (reachable.length > 0 || servers.length === 0);
  if (asksDirectly && policy === undefined && container.hasResolver !== true) return undefined;
  return {
    id,
    networks: created.map(({ network, addresses, aliases }) => ({
      id: network.id,
      name: network.name,
      addresses,
      names: namesOn({ ...container, aliases }),
    })),
    upstream: servers.slice(0, MAX_SERVERS),
    port: RESOLVER_PORT,
    forward: endpoints.some(({ network }) => !network.internal),
    policy,
  };
}

/** By which a container is found on a network that was created, in Docker's order. The first one is that of its address. */
export function namesOn({
  id,
  name,
  hostname,
  aliases,
}: Pick<NamedContainer, 'id' | 'name' | 'hostname'> & Pick<NamedEndpoint, 'aliases'>): string[] {
  const names = [name, ...aliases, shortId(id), hostname];
  return [...new Set(names.filter((each) => each !== undefined))];
}

/** Whom the resolver asks. */
export function serversOf(dns: readonly string[], hostResolvConf: string): UpstreamServer[] {
  return dns.length > 0 ? dns.map(toServer) : upstreamServers(hostResolvConf);
}

function toServer(address: string): UpstreamServer {
  return { address };
}

const NAME_SERVER = /^\s*nameserver\s.*\n?/gm;

function withoutLoopback(resolvConf: string): string {
  return resolvConf.replace(NAME_SERVER, (line) =>
    isLoopback(line.trim().split(/\s+/)[1] ?? '') ? '' : line,
  );
}

/** As Docker: names without a dot are looked up as they are, too, before the search list. */
function withResolver(resolvConf: string): string {
  const rest = resolvConf.replace(NAME_SERVER, '').split('\n');
  const lines = rest.filter((line) => line.trim() !== '');
  const options = lines.filter((line) => line.trimStart().startsWith('options'));
  const others = lines.filter((line) => !options.includes(line));
  const words = options.flatMap((line) => line.trim().split(/\s+/).slice(1));
  if (!words.some((word) => word.startsWith('ndots:'))) words.push('ndots:0');
  return [...others, `nameserver ${RESOLVER_ADDRESS}`, `options ${words.join(' ')}`].join('\n');
}
