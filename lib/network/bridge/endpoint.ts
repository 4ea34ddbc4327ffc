/** From the addresses that a container has claimed to the messages that make its interfaces. */
import { isIPv4, isIPv6 } from 'node:net';
import { dirname } from 'node:path';
import { addressBytes, addressText } from '../../base/ip-address.js';
import type { BridgePlan, Claim } from '../../program/network-plan.js';
import type { StartValue } from '../../program/own-texts-template.js';
import { encodeRequest, NETLINK, type NetlinkMessage } from '../netlink/message.js';
import type { FramePort } from '../firewall/frame-elements.js';
import { macBytes } from '../firewall/frame-expressions.js';
import { setBridgePort } from '../netlink/bridge-port.js';
import {
  addAddress,
  addDefaultRoute,
  addPort,
  addVeth,
  type Cidr,
  removePort,
  setLinkUp,
} from '../netlink/rtnetlink.js';
import { type AddressClaim, claimPaths } from './addresses.js';
import type { RestrictedSource } from '../policy/policy-requests.js';
import { hostInterface } from './host-interface.js';
import { bridgeSettings } from './bridge-options.js';
import { blockAround, formatAddress, lastOf, parseAddress } from '../../base/cidr.js';
import { gatewaysOf } from './gateways.js';
import type { StoredNetwork } from './stored-network.js';

/** A container's place in a network. */
export interface Endpoint {
  readonly network: StoredNetwork;
  /** The number in the names of both ends of its interface. */
  readonly at: number;
  /** Of the bridge device. */
  readonly bridgeIndex: number;
  /** The host's bridges call the firewall: a frame may have to leave by the port that it came from (BridgePort). */
  readonly hairpin: boolean;
  readonly ipv4: AddressClaim;
  readonly ipv6: AddressClaim | undefined;
  /** Lower case, with colons. */
  readonly mac: string;
  /** Further addresses, of the link alone. */
  readonly linkLocal: readonly string[];
  /** gateways.ts */
  readonly priority: number;
}

/** Whether they differ in their addresses alone. @param other of the same configuration */
export function isSamePlace(one: Endpoint, other: Endpoint | undefined): boolean {
  return (
    one.network.id === other?.network.id &&
    one.at === other.at &&
    one.bridgeIndex === other.bridgeIndex &&
    one.hairpin === other.hairpin
  );
}

/** What makes one interface. */
export interface InterfacePlan {
  /** In the host's network namespace. */
  readonly outside: readonly NetlinkMessage[];
  /** In the container's. */
  readonly inside: readonly NetlinkMessage[];
  /** Settings of the container's network namespace, as sysctl(8) names them; before `inside`. */
  readonly sysctls: Readonly<Record<string, number>>;
}

/** Bytes; Ethernet's, if the network does not say another. */
const DEFAULT_MTU = 1500;

/** The index of the first interface inside: the loopback device has 1, and modules may add some for each namespace. */
const FIRST_INDEX = 100;

const LOOPBACK = { index: 1, name: 'lo' } as const;

/** @param shortId 12 digits, of the container */
export function planBridges(
  shortId: string,
  endpoints: readonly Endpoint[],
  claims: readonly Claim[],
): BridgePlan {
  const interfaces = endpoints.map((endpoint) => planInterface(shortId, endpoint));
  const inside = [
    setLinkUp(LOOPBACK.index, LOOPBACK.name),
    ...interfaces.flatMap((each) => each.inside),
    ...defaultRoutes(endpoints),
  ];
  const detach = endpoints.map(({ at }) => removePort(hostInterface(shortId, at)));
  return {
    outside: interfaces.map((each) => encodeRequest(NETLINK.route, each.outside)),
    detach: encodeRequest(NETLINK.route, detach),
    inside: encodeRequest(NETLINK.route, inside),
    sysctls: Object.assign({}, ...interfaces.map(({ sysctls }) => sysctls)) as Record<
      string,
      number
    >,
    claims,
  };
}

export function planInterface(shortId: string, endpoint: Endpoint): InterfacePlan {
  const { at, network, bridgeIndex, hairpin, mac, ipv4, ipv6, linkLocal } = endpoint;
  const name = containerInterface(at);
  const index = interfaceIndex(at);
  const { mtu = DEFAULT_MTU, interContainer } = bridgeSettings(network);
  const host = hostInterface(shortId, at);
  const isolated = !interContainer;
  const further = linkLocal.map((address) => ({ address, prefix: isIPv4(address) ? 16 : 64 }));
  const hasIpv6 = ipv6 !== undefined || linkLocal.some((address) => !isIPv4(address));
  return {
    outside: [
      addVeth({ name: host, mtu, inside: { name, index, mac } }),
      addPort(host, bridgeIndex, network.bridge),
      ...(hairpin || isolated ? [setBridgePort(host, { hairpin, isolated })] : []),
    ],
    inside: [
      addAddress(index, name, ipv4, broadcastOf(ipv4)),
      ...(ipv6 === undefined ? [] : [addAddress(index, name, ipv6)]),
      ...further.map((address) => addAddress(index, name, address)),
      setLinkUp(index, name),
    ],
    // The kernel would give it an address of its own, and listen to any neighbour's router advertisements.
    sysctls: hasIpv6 ? {} : { [`net.ipv6.conf.${name}.disable_ipv6`]: 1 },
  };
}

export function defaultRoutes(endpoints: readonly Endpoint[], replaces = false): NetlinkMessage[] {
  const { ipv4, ipv6 } = gatewaysOf(endpoints);
  const route = (endpoint: Endpoint | undefined, gateway: string | undefined) => {
    if (endpoint === undefined || gateway === undefined) return [];
    const { at } = endpoint;
    return [addDefaultRoute(interfaceIndex(at), containerInterface(at), gateway, replaces)];
  };
  return [...route(ipv4, ipv4?.network.ipv4.gateway), ...route(ipv6, ipv6?.network.ipv6?.gateway)];
}

/** One, or two with IPv6. */
export function addressesOf({ ipv4, ipv6 }: Pick<Endpoint, 'ipv4' | 'ipv6'>): AddressClaim[] {
  return ipv6 === undefined ? [ipv4] : [ipv4, ipv6];
}

type AddressedEndpoint = Pick<Endpoint, 'network' | 'ipv4' | 'ipv6' | 'mac' | 'linkLocal'>;

/** All addresses that its packets may come from, with the bridge. */
export function sourcesOf(endpoint: AddressedEndpoint): RestrictedSource[] {
  const { network, ipv4, ipv6, mac, linkLocal } = endpoint;
  const addresses = [ipv4.address, ...(ipv6 === undefined ? [] : [ipv6.address]), ...linkLocal];
  if (addresses.some(isIPv6)) addresses.push(linkLocalOf(mac));
  return [...new Set(addresses)].map((address) => ({ bridge: network.bridge, address }));
}

/** As a port of its bridge. */
export function framePort(
  endpoint: AddressedEndpoint & Pick<Endpoint, 'at'>,
  shortId: string,
): FramePort {
  return {
    port: hostInterface(shortId, endpoint.at),
    bridgeMac: macOf(endpoint.network.ipv4.gateway),
    mac: endpoint.mac,
    addresses: sourcesOf(endpoint).map(({ address }) => address),
  };
}

/** The address that the kernel gives to an interface by itself: RFC 4291, appendix A. */
export function linkLocalOf(mac: string): string {
  const [first = 0, ...rest] = mac.split(':').map((byte) => parseInt(byte, 16));
  return addressText(
    Buffer.from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, first ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)]), // prettier-ignore
  );
}

/**
 * The same place in the network for another container, which has other addresses: each byte that addresses of the network
 * can differ in is another one.
 *
 * @param mac that was asked for
 */
export function otherEndpoint(
  endpoint: Endpoint,
  containerId: string,
  mac: string | undefined,
): Endpoint {
  const other = (claim: AddressClaim): AddressClaim => {
    const address = otherAddress(claim);
    const paths = claimPaths(dirname(claim.directory), address, containerId);
    return { ...claim, ...paths, address };
  };
  const ipv4 = other(endpoint.ipv4);
  const ipv6 = endpoint.ipv6 && other(endpoint.ipv6);
  return { ...endpoint, ipv4, ipv6, mac: mac ?? macOf(ipv4.address) };
}

function otherAddress({ address, prefix }: Cidr): string {
  const bytes = addressBytes(address);
  const changed = bytes.map((byte, at) => {
    const bits = Math.min(8, Math.max(0, prefix - 8 * at));
    return byte ^ (0xff >> bits);
  });
  return addressText(changed);
}

/** What of a container's plans follows from its addresses, as messages and texts have it. */
export function valuesOf(endpoint: Endpoint): StartValue[] {
  const { mac } = endpoint;
  const addresses = sourcesOf(endpoint).map(({ address }) => address);
  return [
    { text: mac, bytes: macBytes(mac) },
    ...addresses.map((text) => ({ text, bytes: addressBytes(text) })),
  ];
}

/** Of the end in the container. */
export function interfaceIndex(at: number): number {
  return FIRST_INDEX + at;
}

/** The end in the container. */
export function containerInterface(at: number): string {
  return `eth${at}`;
}

/** As Docker's: the same address has the same one, so that neighbours' tables stay right. */
export function macOf(ipv4: string): string {
  const digits = [0x02, 0x42, ...addressBytes(ipv4)];
  return digits.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** RFC 3021: a network of two addresses has none. */
function broadcastOf({ address, prefix }: Cidr): string | undefined {
  if (prefix > 30) return undefined;
  return formatAddress(lastOf(blockAround(parseAddress('address', address), prefix)));
}
