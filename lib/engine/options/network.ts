/** What a caller says of a container's network, checked as far as that needs no look at the host. */
import { conflicting, invalid, isRecord, plainString, unsupported } from '../../base/check.js';
import { isRoot } from '../../host/user-namespace-ids.js';
import type { EndpointConfig } from '../../network/bridge/endpoint-config.js';
import { bindingText, type PortBinding } from '../../network/firewall/port-bindings.js';
import { type NetworkPolicy, normalizePolicy } from '../../network/policy/rules.js';
import type { NetworkMode } from '../../network/types.js';
import { sharedNetwork } from './namespace-options.js';
import { checkConnections, firstConnection, listConnections, type NetworkConnection } from './network-connections.js'; // prettier-ignore
import { isOnBridges, type NetworkOptions, networkText, type RestrictedNetwork } from './options.js'; // prettier-ignore
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

/** What is said of the first network with a bridge. */
const OF_FIRST = ['networkAliases', 'ip', 'ip6', 'macAddress', 'linkLocalIps'] as const;

/** @throws ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION, ERR_CONFLICTING_OPTIONS */
export function normalizeNetwork(options: NetworkOptions): NetworkPart {
  const value = plainNetwork(options);
  const policy = typeof options.network === 'object' ? policyOf(options.network) : undefined;
  const [, mode, helperOptions = ''] = /^(pasta|slirp4netns)(?::(.*))?$/s.exec(value ?? '') ?? [];
  const shared = sharedNetwork(value);
  const isBridge =
    value !== undefined &&
    value !== 'none' &&
    value !== 'host' &&
    mode === undefined &&
    shared === undefined;
  const ports = normalizePorts(options.ports, options.expose, options.publishAll);
  if (isBridge || (value === undefined && !isEmpty(options.networks)))
    return {
      network: 'bridge',
      networkOptions: '',
      endpoints: checkConnections(connectionsOf(options)),
      ports: ports.map(checkHostIp),
      policy,
    };
  if (policy !== undefined)
    throw conflicting(
      'network',
      `a policy needs a network with a bridge, and name is "${value}"`,
      'name: "bridge", or the name of a network that was created',
    );
  if (!isEmpty(options.networks))
    throw conflicting(
      'networks',
      value === 'none'
        ? 'container cannot be connected to multiple networks with one of the networks in private (none) mode'
        : 'container sharing network namespace with another container or host cannot be connected to any other network',
      'network: "bridge", or the name of a network that was created',
    );
  const isUserMode = mode === 'pasta' || mode === 'slirp4netns';
  const published = (['ports', 'publishAll'] as const).find((option) => !isEmpty(options[option]));
  if (!isUserMode && published !== undefined)
    throw conflicting(
      published,
      `needs a network with addresses of its own, and network is "${value ?? 'none'}"`,
      'network: "bridge", "pasta", "slirp4netns", or the name of a network that was created',
    );
  const unfit = OF_FIRST.find((option) => !isEmpty(options[option]));
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
      ports,
      policy,
    };
  return { network: 'host', networkOptions: '', endpoints: NONE, ports: [], policy };
}

/** A rootless user's ports are not translated: a process listens to them. */
function checkHostIp(port: PortBinding): PortBinding {
  if (port.hostIp === '::1' && isRoot())
    throw unsupported(
      'ports',
      bindingText(port),
      'publishes to ::1, which the kernel does not forward',
      'publish to 127.0.0.1',
    );
  return port;
}

/** All networks with a bridge that a container is created with; none if `network` is of another kind. */
export function connectionsOf(options: NetworkOptions): readonly NetworkConnection[] {
  const network = networkText(options);
  const further = listConnections(options.networks);
  if (network !== undefined)
    return isOnBridges(options) ? [firstConnection(network, options), ...further] : [];
  const unfit = OF_FIRST.find((option) => !isEmpty(options[option]));
  if (unfit !== undefined && further.length > 0)
    throw conflicting(unfit, 'is of the network that the option network names', 'put it into networks'); // prettier-ignore
  return further;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === false || (Array.isArray(value) && value.length === 0);
}

/** Its name; undefined: the default, or the first of `networks`. */
function plainNetwork(options: NetworkOptions): string | undefined {
  const { network: value } = options;
  const name = isRecord(value) ? (networkText(options) as unknown) : value;
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
