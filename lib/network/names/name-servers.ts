/** Whom a container on bridges asks for names: the resolver, or the host's name servers directly. */
import { shortId } from '../../base/ids.js';
import { isLoopback } from '../../base/ip-address.js';
import type { ResolverPlan } from '../../program/launch-input.js';
import { addressesOf, type Endpoint } from '../bridge/endpoint.js';
import { redirectDns, RESOLVER_PORT } from './dns-redirect.js';
import { encodeRegistration, type UpstreamServer } from './registration.js';
import { upstreamServers } from './upstream-servers.js';

/** The address of the resolver in each container's network namespace. */
export const RESOLVER_ADDRESS = '127.0.0.11';

/** As the resolver's limit. */
const MAX_SERVERS = 8;

/** The same for each container. */
const REDIRECT = redirectDns();

export interface NameServerPlan {
  /** Undefined: it asks the servers of its resolv.conf itself. */
  readonly resolver: ResolverPlan | undefined;
  /** The host's resolv.conf(5), as far as it is the container's. */
  readonly resolvConf: string;
}

export interface NameServerInput {
  /** Long id. */
  readonly id: string;
  readonly name: string | undefined;
  readonly hostname: string | undefined;
  /** Name servers that were asked for. */
  readonly dns: readonly string[];
  /** The aliases of each endpoint. */
  readonly aliases: readonly (readonly string[])[];
  readonly endpoints: readonly Endpoint[];
  readonly hostResolvConf: string;
  /** Of the resolver. */
  readonly directory: string;
}

/**
 * As with Docker, containers of networks that were created find each other by name, by a resolver in their network
 * namespace; those of the network `bridge` ask the host's name servers. If these listen on loopback addresses of the host
 * alone, which the container cannot reach, it has the resolver, too.
 */
export function planNameServers(input: NameServerInput): NameServerPlan {
  const { id, name, hostname, dns, aliases, endpoints, hostResolvConf, directory } = input;
  const created = endpoints.filter(({ network }) => network.name !== 'bridge');
  const servers = dns.length > 0 ? dns.map(toServer) : upstreamServers(hostResolvConf);
  const reachable = servers.filter(({ address }) => !isLoopback(address));
  if (created.length === 0 && (reachable.length > 0 || servers.length === 0))
    return { resolver: undefined, resolvConf: withoutLoopback(hostResolvConf) };
  const registration = encodeRegistration({
    id,
    networks: created.map(({ network, ...endpoint }) => ({
      id: network.id,
      name: network.name,
      addresses: addressesOf(endpoint).map(({ address }) => address),
      names: [
        ...new Set([
          ...(name === undefined ? [] : [name]),
          shortId(id),
          ...(aliases[endpoints.findIndex((each) => each.network === network)] ?? []),
          ...(hostname === undefined ? [] : [hostname]),
        ]),
      ],
    })),
    upstream: servers.slice(0, MAX_SERVERS),
    port: RESOLVER_PORT,
    forward: endpoints.some(({ network }) => !network.internal),
  });
  return {
    resolver: { directory, registration, redirect: REDIRECT },
    resolvConf: withResolver(hostResolvConf),
  };
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
