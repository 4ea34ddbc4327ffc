/** Networks as `docker network inspect` and `docker network ls` print them (network inspect of Docker's API, v1.50). */
import { shortId } from '../base/ids.js';
import { createHash } from 'node:crypto';
import type { NetworkEndpoint } from '../engine/networks/endpoints.js';
import type { NetworkInfo } from '../engine/networks/network-info.js';
import type { Subnet } from '../network/bridge/stored-network.js';
import { addFields } from './api-fields.js';
import { markStringMap, markStruct } from './go-values.js';

export const NETWORK_TABLE = '{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}';

/** The fields of a row, in the order in which they are printed as JSON; all are strings. */
export interface NetworkRow {
  readonly CreatedAt: string;
  readonly Driver: string;
  readonly ID: string;
  readonly IPv4: string;
  readonly IPv6: string;
  readonly Internal: string;
  readonly Labels: string;
  readonly Name: string;
  readonly Scope: string;
  /** A method in templates: `{{.Label "key"}}`. */
  readonly Label: (key: string) => string;
}

export const NETWORK_HEADINGS: Readonly<Record<keyof NetworkRow, unknown>> = markStruct(
  'Headings',
  {
    CreatedAt: 'CREATED AT',
    Driver: 'DRIVER',
    ID: 'NETWORK ID',
    IPv4: 'IPV4',
    IPv6: 'IPV6',
    Internal: 'INTERNAL',
    Labels: 'LABELS',
    Name: 'NAME',
    Scope: 'SCOPE',
    // As Docker: the heading of `com.example.some-name` is `some name`.
    Label: (key: string) => key.slice(key.lastIndexOf('.') + 1).replace(/[-_]/g, ' '),
  },
);

/** Docker's zero time. */
const NEVER = '0001-01-01T00:00:00Z';

export function networkRow(network: NetworkInfo, noTrunc = false): NetworkRow {
  const { id, name, driver, labels, created = NEVER } = network;
  return markStruct('Network', {
    CreatedAt: goTime(created),
    Driver: driver,
    ID: noTrunc ? id : shortId(id),
    // Docker says that of host and none, too.
    IPv4: 'true',
    IPv6: String(network.ipv6 !== undefined),
    Internal: String(network.internal),
    Labels: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    Name: name,
    Scope: 'local',
    Label: (key: string) => (Object.hasOwn(labels, key) ? (labels[key] ?? '') : ''),
  });
}

/** Go's time.String in UTC: without zeros at the end of the fraction. */
function goTime(iso: string): string {
  const [date = '', time = ''] = iso.replace('Z', '').split('T');
  return `${date} ${time.includes('.') ? time.replace(/\.?0*$/, '') : time} +0000 UTC`;
}

export function networkShape(network: NetworkInfo): object {
  const subnets = [network.ipv4, network.ipv6].filter((subnet) => subnet !== undefined);
  const shape = {
    Name: network.name,
    Id: network.id,
    Created: network.created ?? NEVER,
    Scope: 'local',
    Driver: network.driver,
    EnableIPv4: true,
    EnableIPv6: network.ipv6 !== undefined,
    IPAM: markStruct('IPAM', {
      Driver: 'default',
      Options: null,
      Config: subnets.length === 0 && network.driver !== 'bridge' ? null : subnets.map(ipamConfig),
    }),
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: markStruct('ConfigReference', { Network: '' }),
    ConfigOnly: false,
    Containers: Object.fromEntries(
      network.containers.map((endpoint) => [
        endpoint.containerId,
        endpointShape(network.id, endpoint),
      ]),
    ),
    Options: markStringMap(shownOptions(network)),
    Labels: markStringMap({ ...network.labels }),
  };
  return markStruct('Network', addFields('Network', shape));
}

/** Docker has options for the network `bridge` that nobody gave: programs look there for the name of its device. */
function shownOptions({ name, bridge, options }: NetworkInfo): Record<string, string> {
  if (name !== 'bridge') return { ...options };
  return {
    'com.docker.network.bridge.default_bridge': 'true',
    'com.docker.network.bridge.enable_icc': 'true',
    'com.docker.network.bridge.enable_ip_masquerade': 'true',
    'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
    ...(bridge === undefined ? {} : { 'com.docker.network.bridge.name': bridge }),
    'com.docker.network.driver.mtu': '1500',
    ...options,
  };
}

function ipamConfig({ subnet, ipRange, gateway, auxAddresses }: Subnet): object {
  const config = {
    Subnet: subnet,
    ...(ipRange === undefined ? {} : { IPRange: ipRange }),
    Gateway: gateway,
    ...(auxAddresses === undefined ? {} : { AuxiliaryAddresses: markStringMap({ ...auxAddresses }) }), // prettier-ignore
  };
  return markStruct('IPAMConfig', addFields('IPAMConfig', config));
}

function endpointShape(
  network: string,
  { containerId, name, ipv4, ipv6, mac = '' }: NetworkEndpoint,
): object {
  return markStruct('EndpointResource', {
    Name: name ?? '',
    EndpointID: endpointId(network, containerId),
    MacAddress: mac,
    IPv4Address: ipv4 ?? '',
    IPv6Address: ipv6 ?? '',
  });
}

/** Docker has a random one for each connection; here it is the same each time. */
export function endpointId(network: string, containerId: string): string {
  return createHash('sha256').update(`${network}\0${containerId}`).digest('hex');
}
