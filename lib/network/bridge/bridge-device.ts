/** The bridge device of a network: made when a container first needs it, and left until the network is removed. */
import { writeFile } from 'node:fs/promises';
import { CaissonError } from '../../base/errors.js';
import { isErrno } from '../../base/errno.js';
import { addressBytes } from '../../base/ip-address.js';
import { loadNative } from '../../native/load.js';
import type { NetlinkRequest } from '../../program/network-plan.js';
import type { ForwardedNetwork } from '../firewall/ensure-firewall.js';
import { encodeRequest, NETLINK, type NetlinkMessage } from '../netlink/message.js';
import { dumpNetlink, type NetlinkOptions, requestNetlink } from '../netlink/request.js';
import {
  addAddress,
  addBridge,
  decodeLink,
  deleteLink,
  GET_LINKS,
  type Link,
  setLinkUp,
} from '../netlink/rtnetlink.js';
import { bridgeSettings } from './bridge-options.js';
import { formatBlock, parseBlock } from '../../base/cidr.js';
import { macOf } from './endpoint.js';
import { type Route, rivalRoute } from './host-routes.js';
import { type NetworkStore, noSuchNetwork } from './network-store.js';
import type { StoredNetwork, Subnet } from './stored-network.js';

/**
 * @returns the index of the device
 * @throws ERR_NETWORK_FAILED, ERR_LOCK_TIMEOUT; ERR_SUBNET_OVERLAP; ERR_NO_SUCH_NETWORK if it was removed meanwhile
 */
export async function ensureBridge(
  networks: NetworkStore,
  network: StoredNetwork,
): Promise<number> {
  // It is set up last: what is up has everything, except for addresses that were removed later.
  const { netlink } = networks;
  const gateways = subnetsOf(network).map(({ gateway }) => addressBytes(gateway));
  const existing = linkIndex(network.bridge, netlink, gateways);
  if (existing !== 0) return existing;
  return networks.locked(() => {
    // It may have been removed since it was found, and no removal would come for the device.
    if (networks.get(network.id) === undefined) throw noSuchNetwork(network.name);
    return makeBridge(network, netlink);
  });
}

/**
 * Of an interface that is up and has these addresses; 0 if there is none. In the shared network of a rootless user it is
 * not known: what makes it does nothing to one that is there.
 */
export function linkIndex(
  name: string,
  { userNetwork }: NetlinkOptions,
  addresses: readonly Uint8Array[] = [],
): number {
  return userNetwork === undefined ? loadNative().linkIndex(name, ...addresses) : 0;
}

async function makeBridge(network: StoredNetwork, options: NetlinkOptions): Promise<number> {
  const { bridge, ipv4 } = network;
  const { mtu } = bridgeSettings(network);
  // The shared network of a rootless user has the host's address, and none of its other networks.
  const rival =
    options.userNetwork === undefined
      ? await rivalRoute(parseBlock('subnet', ipv4.subnet), bridge)
      : undefined;
  if (rival !== undefined) throw overlap(network, rival);
  // An address of its own, as otherwise it would have its ports' lowest one, which changes with them.
  await request('EEXIST', toRequest(addBridge(bridge, { mac: macOf(ipv4.gateway), mtu })), options);
  const link = await findDevice(bridge, options);
  if (link?.kind !== 'bridge')
    throw new CaissonError(
      'ERR_NETWORK_FAILED',
      `network ${network.name}: ${bridge} is an interface of this machine, and not a bridge`,
      { stage: 'config', path: bridge, hint: `ip link show ${bridge}` },
    );
  for (const subnet of subnetsOf(network)) {
    const { prefix } = parseBlock('subnet', subnet.subnet);
    const address = { address: subnet.gateway, prefix };
    await request('EEXIST', toRequest(addAddress(link.index, bridge, address)), options);
  }
  for (const [key, value] of settings(network)) await writeSetting(key, value, options);
  await requestNetlink(toRequest(setLinkUp(link.index, bridge)), options);
  return link.index;
}

function subnetsOf({ ipv4, ipv6 }: StoredNetwork): Subnet[] {
  return ipv6 === undefined ? [ipv4] : [ipv4, ipv6];
}

/** Which of the two the kernel would take for an address is not defined. */
function overlap({ name, ipv4 }: StoredNetwork, { device, block }: Route): CaissonError {
  return new CaissonError(
    'ERR_SUBNET_OVERLAP',
    `network ${name}: its subnet ${ipv4.subnet} overlaps with ${formatBlock(block)} of the interface ${device}`,
    {
      stage: 'config',
      path: ipv4.subnet,
      hint: 'another engine, or another data root, may have chosen the same: create a network with another subnet',
    },
  );
}

/** What the firewall has to know of a network. */
export function firewallOf(network: StoredNetwork): ForwardedNetwork {
  const { bridge, internal, ipv6 } = network;
  const { interContainer, masquerade } = bridgeSettings(network);
  const families = ['ipv4', ...(ipv6 === undefined ? [] : (['ipv6'] as const))] as const;
  return {
    bridge,
    internal,
    neighbours: interContainer,
    masquerade: masquerade && !internal ? families : [],
    families,
  };
}

/** What the host's kernel does with the bridge, besides forwarding. */
function settings({ bridge, ipv6 }: StoredNetwork): (readonly [key: string, value: string])[] {
  return [
    // Published ports are reached by the host over its loopback addresses.
    [`ipv4/conf/${bridge}/route_localnet`, '1'],
    // A container must not become the host's router by an advertisement of its own (CVE-2020-13401).
    [`ipv6/conf/${bridge}/accept_ra`, '0'],
    ...(ipv6 === undefined ? ([[`ipv6/conf/${bridge}/disable_ipv6`, '1']] as const) : []),
  ];
}

/** A machine may have them read-only, or have no IPv6: the network then works as far as it can. */
async function writeSetting(
  key: string,
  value: string,
  { userNetwork }: NetlinkOptions,
): Promise<void> {
  if (userNetwork !== undefined) return userNetwork.sysctl(key, value);
  try {
    await writeFile(`/proc/sys/net/${key}`, value);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EROFS', 'EACCES', 'EPERM')) throw error;
  }
}

/**
 * Deletes the bridge device of a network, if there is one. No container is attached to it, and none can be: the caller
 * holds the lock of all networks.
 *
 * @throws ERR_NETWORK_FAILED
 */
export async function removeBridge(
  { bridge }: Pick<StoredNetwork, 'bridge'>,
  options: NetlinkOptions = {},
): Promise<void> {
  // What has the name now and is no bridge was not made for the network.
  if ((await findDevice(bridge, options))?.kind === 'bridge')
    await request('ENODEV', toRequest(deleteLink(bridge)), options);
}

/** The device of that name, of any kind. @throws ERR_NETWORK_FAILED */
export async function findDevice(
  name: string,
  options: NetlinkOptions = {},
): Promise<Link | undefined> {
  const links = await dumpNetlink(NETLINK.route, GET_LINKS, options);
  return links.map(decodeLink).find((link) => link.name === name);
}

function toRequest(message: NetlinkMessage): NetlinkRequest {
  return encodeRequest(NETLINK.route, [message]);
}

/** @param fine an error that means that it is done already */
async function request(
  fine: string,
  asked: NetlinkRequest,
  options: NetlinkOptions,
): Promise<void> {
  try {
    await requestNetlink(asked, options);
  } catch (error) {
    if (!(error instanceof CaissonError) || error.errno !== fine) throw error;
  }
}
