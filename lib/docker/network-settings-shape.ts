/** A container's networks: `NetworkSettings` of Docker's API (container inspect, v1.50). */
import { isOnBridges, networkName, type RunOptions } from '../engine/options/options.js';
import type { ContainerInfo, EndpointInfo } from '../engine/store/stored.js';
import { normalizePolicy } from '../network/policy/rules.js';
import { addFields } from './api-fields.js';
import { endpointId } from './network-shape.js';
import { publishedPorts } from './port-shape.js';

const NO_ADDRESS = {
  Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  IPAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  MacAddress: '',
  EndpointID: '',
};

/** @param networkId of `host` or `none`, if it has one of these */
export function networkSettings(info: ContainerInfo, networkId?: string): object {
  const { config, state, networks, ports, exposed } = info;
  const { options } = config;
  const isRunning = state.pid > 0 && networks !== undefined;
  // Only the network `bridge` is described at the top, too.
  const first = networks?.find(({ network }) => network === 'bridge');
  return {
    Bridge: '',
    SandboxID: isRunning ? endpointId('', config.id) : '',
    SandboxKey: isRunning ? `/proc/${state.pid}/ns/net` : '',
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    Ports: publishedPorts(ports ?? [], exposed),
    ...(first === undefined ? NO_ADDRESS : addressFields(config.id, first)),
    Networks:
      networks === undefined
        ? unknownNetwork(options, networkId)
        : Object.fromEntries(
            networks.map((endpoint) => [
              endpoint.network,
              endpointFields(endpoint, addressFields(config.id, endpoint)),
            ]),
          ),
    ...policyField(info),
  };
}

/** Docker has none. Only a container with a policy has it. */
function policyField({ config: { options }, denied = [] }: ContainerInfo): object {
  if (typeof options.network !== 'object') return {};
  const { allow = [], deny = [] } = options.network;
  const { default: otherwise } = normalizePolicy(options.network);
  return {
    Policy: {
      Default: otherwise,
      Allow: allow,
      Deny: deny,
      Denied: denied.map(({ host = '', address = '', port = 0, protocol, count, first }) => ({
        Host: host,
        Address: address,
        Port: port,
        Protocol: protocol,
        Count: count,
        First: first,
      })),
    },
  };
}

/** Of a network without addresses, or one that is gone. Without a name it is another container's: nothing is to be said of it. */
function unknownNetwork(options: RunOptions, networkId = ''): object {
  const network = networkName(options);
  if (network === undefined) return {};
  const endpoint = { network, networkId, aliases: [], dnsNames: [], wanted: {}, gatewayPriority: 0 }; // prettier-ignore
  return { [network]: endpointFields(endpoint, NO_ADDRESS, isOnBridges(options)) };
}

function endpointFields(
  { networkId, aliases, dnsNames, wanted, gatewayPriority }: EndpointInfo,
  addresses: object,
  hasAddresses = true,
): object {
  return {
    IPAMConfig: hasAddresses ? wantedAddresses(wanted) : null,
    Links: null,
    Aliases: aliases.length === 0 ? null : aliases,
    DriverOpts: null,
    GwPriority: gatewayPriority,
    NetworkID: networkId,
    ...addresses,
    DNSNames: dnsNames.length === 0 ? null : dnsNames,
  };
}

function wantedAddresses({ ip, ip6, linkLocalIps }: EndpointInfo['wanted']): object | null {
  if (ip === undefined && ip6 === undefined && linkLocalIps === undefined) return null;
  return addFields('EndpointIPAMConfig', {
    ...(ip === undefined ? {} : { IPv4Address: ip }),
    ...(ip6 === undefined ? {} : { IPv6Address: ip6 }),
    ...(linkLocalIps === undefined ? {} : { LinkLocalIPs: linkLocalIps }),
  });
}

function addressFields(id: string, endpoint: EndpointInfo): typeof NO_ADDRESS {
  const { ipv4, ipv6, gateway = '', ipv6Gateway = '', mac = '', networkId } = endpoint;
  if (ipv4 === undefined) return NO_ADDRESS;
  const [address = '', prefix] = ipv4.split('/');
  const [address6 = '', prefix6] = (ipv6 ?? '').split('/');
  return {
    Gateway: gateway,
    GlobalIPv6Address: address6,
    GlobalIPv6PrefixLen: Number(prefix6 ?? 0),
    IPAddress: address,
    IPPrefixLen: Number(prefix ?? 0),
    IPv6Gateway: ipv6Gateway,
    MacAddress: mac,
    EndpointID: endpointId(networkId, id),
  };
}
