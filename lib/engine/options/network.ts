/** What a caller says of a container's network, checked as far as that needs no look at the host. */
import { isIPv4, isIPv6 } from 'node:net';
import {
  conflicting,
  invalid,
  isRecord,
  plainString,
  stringList,
  unsupported,
} from '../../base/check.js';
import type { EndpointConfig } from '../../network/bridge/endpoint-config.js';
import { bindingText, type PortBinding } from '../../network/firewall/port-bindings.js';
import { type NetworkPolicy, normalizePolicy } from '../../network/policy/rules.js';
import type { NetworkMode } from '../../network/types.js';
import { sharedNetwork } from './namespace-options.js';
import { type NetworkOptions, networkText, type RestrictedNetwork } from './options.js';
import { normalizePorts } from './ports.js';

/** What of a configuration is about its network. */
export interface NetworkPart {
  readonly network: NetworkMode;
  /** Of `pasta` and `slirp4netns`, unchecked (lib/network/user-network.ts). */
  readonly networkOptions: string;
  /** With `bridge`: the networks that it is connected to. */
  readonly endpoints: readonly EndpointConfig[];
  /** Ports of the host that lead to the container. */
  readonly ports: readonly PortBinding[];
  /** Undefined: its outgoing connections are not restricted. */
  readonly policy: NetworkPolicy | undefined;
}

const NONE: readonly EndpointConfig[] = Object.freeze([]);
const NO_NETWORK: NetworkPart = Object.freeze({
  network: 'none',
  networkOptions: '',
  endpoints: NONE,
  ports: Object.freeze([]),
  policy: undefined,
});

/** Options that need a network with addresses of its own. */
const OF_ENDPOINTS = ['networkAliases', 'ip', 'ip6', 'macAddress'] as const;

/** @throws ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION, ERR_CONFLICTING_OPTIONS */
export function normalizeNetwork(options: NetworkOptions): NetworkPart {
  const value = plainNetwork(options.network);
  const policy = typeof options.network === 'object' ? policyOf(options.network) : undefined;
  const [, mode, helperOptions = ''] = /^(pasta|slirp4netns)(?::(.*))?$/s.exec(value ?? '') ?? [];
  const shared = sharedNetwork(value);
  const isBridge =
    value !== undefined &&
    value !== 'none' &&
    value !== 'host' &&
    mode === undefined &&
    shared === undefined;
  if (isBridge)
    return {
      network: 'bridge',
      networkOptions: '',
      endpoints: [endpoint(value, options)],
      ports: normalizePorts(options.ports).map(checkForwarded),
      policy,
    };
  if (policy !== undefined)
    throw conflicting(
      'network',
      `a policy needs a network with a bridge, and name is "${value}"`,
      'name: "bridge", or the name of a network that was created',
    );
  const isUserMode = mode === 'pasta' || mode === 'slirp4netns';
  if (!isUserMode && !isEmpty(options.ports))
    throw conflicting(
      'ports',
      `needs a network with addresses of its own, and network is "${value ?? 'none'}"`,
      'network: "bridge", "pasta", "slirp4netns", or the name of a network that was created',
    );
  const unfit = OF_ENDPOINTS.find((option) => !isEmpty(options[option]));
  if (unfit !== undefined)
    throw conflicting(
      unfit,
      `needs a network with a bridge, and network is "${value ?? 'none'}"`,
      'network: "bridge", or the name of a network that was created',
    );
  if (value === undefined || value === 'none') return NO_NETWORK;
  if (shared !== undefined)
    return { network: shared[0], networkOptions: shared[1], endpoints: NONE, ports: [], policy };
  if (isUserMode)
    return {
      network: mode,
      networkOptions: plainString('network', helperOptions),
      endpoints: NONE,
      ports: normalizePorts(options.ports),
      policy,
    };
  return { network: 'host', networkOptions: '', endpoints: NONE, ports: [], policy };
}

function checkForwarded(port: PortBinding): PortBinding {
  if (port.hostIp === '::1')
    throw unsupported(
      'ports',
      bindingText(port),
      'publishes to ::1, which the kernel does not forward',
      'publish to 127.0.0.1',
    );
  return port;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0);
}

/** Its name; undefined: the default. */
function plainNetwork(value: NetworkOptions['network']): string | undefined {
  const name = isRecord(value) ? (networkText({ network: value }) as unknown) : value;
  if (name !== undefined && typeof name !== 'string')
    throw invalid('network', value, 'is neither a string nor an object with a name');
  return name;
}

function policyOf(network: RestrictedNetwork): NetworkPolicy {
  const { name: _, ...policy } = network;
  const unknown = Object.keys(policy).find((key) => !['allow', 'deny', 'default'].includes(key));
  if (unknown !== undefined)
    throw invalid('network', network, `has a field that is not known: ${unknown}`, 'name, allow, deny and default'); // prettier-ignore
  return normalizePolicy(policy);
}

function endpoint(network: string, options: NetworkOptions): EndpointConfig {
  const { ip, ip6, macAddress, networkAliases } = options;
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
  const aliases = stringList('networkAliases', networkAliases ?? []).map(checkAlias);
  if (name === 'bridge') {
    const wanted = (['ip', 'ip6'] as const).find((option) => options[option] !== undefined);
    if (wanted !== undefined)
      throw conflicting(
        wanted,
        'user specified IP address is supported on user defined networks only',
        'create a network: `caisson network create`',
      );
    if (aliases.length > 0)
      throw conflicting(
        'networkAliases',
        'network-scoped alias is supported only for containers in user defined networks',
        'create a network: `caisson network create`',
      );
  }
  if (ip !== undefined && !isIPv4(ip)) throw invalid('ip', ip, 'is not an IPv4 address');
  if (ip6 !== undefined && (!isIPv6(ip6) || ip6.includes('%')))
    throw invalid('ip6', ip6, 'is not an IPv6 address');
  return {
    network: name,
    aliases,
    ip,
    ip6,
    mac: macAddress === undefined ? undefined : checkMac(macAddress),
  };
}

function checkAlias(alias: string): string {
  if (alias.length > MAX_NAME || !/^[\w](?:[\w.-]*[\w])?$/.test(alias))
    throw invalid('networkAliases', alias, 'is not a host name');
  return alias.toLowerCase();
}

/** RFC 1035, section 2.3.4, as text. */
const MAX_NAME = 253;

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
