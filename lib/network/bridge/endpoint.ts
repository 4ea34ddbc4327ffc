/** From the addresses that a container has claimed to the messages that make its interfaces. */
import { addressBytes, addressText } from '../../base/ip-address.js';
import type { BridgePlan, Claim } from '../../program/network-plan.js';
import { encodeRequest, NETLINK, type NetlinkMessage } from '../netlink/message.js';
import type { FramePort } from '../firewall/frame-elements.js';
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
import type { AddressClaim } from './addresses.js';
import type { RestrictedSource } from '../policy/policy-requests.js';
import { hostInterface } from './host-interface.js';
import { bridgeSettings } from './bridge-options.js';
import { blockAround, formatAddress, lastOf, parseAddress } from '../../base/cidr.js';
import type { StoredNetwork } from './stored-network.js';

/** A container's place in a network. */
export interface Endpoint {
  readonly network: StoredNetwork;
  /** Of the bridge device. */
  readonly bridgeIndex: number;
  /** The host's bridges call the firewall: a frame may have to leave by the port that it came from (BridgePort). */
  readonly hairpin: boolean;
  readonly ipv4: AddressClaim;
  readonly ipv6: AddressClaim | undefined;
  /** Lower case, with colons. */
  readonly mac: string;
}

/** Bytes; Ethernet's, if the network does not say another. */
const DEFAULT_MTU = 1500;

/** The index of the first interface inside: the loopback device has 1, and modules may add some for each namespace. */
const FIRST_INDEX = 100;

const LOOPBACK = { index: 1, name: 'lo' } as const;

/**
 * @param shortId 12 digits, of the container: with 2 letters and a digit, its interfaces on the host have as many characters
 *   as they may have (IFNAMSIZ)
 */
export function planBridges(
  shortId: string,
  endpoints: readonly Endpoint[],
  claims: readonly Claim[],
): BridgePlan {
  const outside: NetlinkMessage[] = [];
  const sysctls: Record<string, number> = {};
  const inside: NetlinkMessage[] = [setLinkUp(LOOPBACK.index, LOOPBACK.name)];
  endpoints.forEach((endpoint, at) => {
    const { network, bridgeIndex, hairpin, mac, ipv4, ipv6 } = endpoint;
    const name = `eth${at}`;
    const index = FIRST_INDEX + at;
    const { mtu = DEFAULT_MTU, interContainer } = bridgeSettings(network);
    const host = hostInterface(shortId, at);
    outside.push(
      addVeth({ name: host, mtu, inside: { name, index, mac } }),
      addPort(host, bridgeIndex, network.bridge),
    );
    const isolated = !interContainer;
    if (hairpin || isolated) outside.push(setBridgePort(host, { hairpin, isolated }));
    inside.push(addAddress(index, name, ipv4, broadcastOf(ipv4)));
    if (ipv6 !== undefined) inside.push(addAddress(index, name, ipv6));
    // The kernel would give it an address of its own, and listen to any neighbour's router advertisements.
    else sysctls[`net.ipv6.conf.${name}.disable_ipv6`] = 1;
    inside.push(setLinkUp(index, name));
    // As in Docker, the first network that leads out has the default route.
    if (network.internal || endpoints.findIndex((other) => !other.network.internal) !== at) return;
    inside.push(addDefaultRoute(index, name, network.ipv4.gateway));
    if (network.ipv6 !== undefined) inside.push(addDefaultRoute(index, name, network.ipv6.gateway));
  });
  const detach = endpoints.map((_, at) => removePort(hostInterface(shortId, at)));
  return {
    outside: encodeRequest(NETLINK.route, outside),
    detach: encodeRequest(NETLINK.route, detach),
    inside: encodeRequest(NETLINK.route, inside),
    sysctls,
    claims,
  };
}

/** One, or two with IPv6. */
export function addressesOf({ ipv4, ipv6 }: Pick<Endpoint, 'ipv4' | 'ipv6'>): AddressClaim[] {
  return ipv6 === undefined ? [ipv4] : [ipv4, ipv6];
}

/** All addresses that its packets may come from, with the bridge. */
export function sourcesOf(endpoint: Endpoint): RestrictedSource[] {
  const { network, ipv4, ipv6, mac } = endpoint;
  const addresses = [ipv4.address, ...(ipv6 === undefined ? [] : [ipv6.address, linkLocalOf(mac)])];
  return addresses.map((address) => ({ bridge: network.bridge, address }));
}

/** As a port of its bridge. @param at its place among the container's endpoints */
export function framePort(endpoint: Endpoint, shortId: string, at: number): FramePort {
  return {
    port: hostInterface(shortId, at),
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
