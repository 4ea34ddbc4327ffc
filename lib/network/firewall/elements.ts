/** Networks and published ports, as elements of the firewall's sets. */
import { isIPv4 } from 'node:net';
import { addressBytes, addressText } from '../../base/ip-address.js';
import { be16, type EncodedRequest, type NetlinkMessage } from '../netlink/message.js';
import { familyKey, interfaceName, type IpFamily } from './nft-expressions.js';
import { addElements, batch, concatenation, deleteElements, type Element } from './nft-messages.js';
import { type Endpoint, PROTOCOL_NUMBERS, type PublishedPort } from './port-bindings.js';
import { SET, TABLE } from './ruleset.js';

export interface FirewallNetwork {
  /** Name of the bridge. */
  readonly bridge: string;
  /** Its containers reach nothing but each other and the host, and nothing else reaches them. */
  readonly internal: boolean;
  /** Whether its containers may reach each other. */
  readonly neighbours: boolean;
  /** The families whose packets leave with the address of the host. */
  readonly masquerade: readonly IpFamily[];
}

/** By set. */
type Elements = readonly (readonly [set: string, elements: readonly Element[]])[];

interface Possible {
  readonly set: string;
  readonly element: Element;
  readonly on: boolean;
}

/** All elements that a network with this bridge may have. */
function networkElements(network: FirewallNetwork): Possible[] {
  const { bridge, internal, neighbours } = network;
  const name = interfaceName(bridge);
  const own: Element = { key: name, text: `"${bridge}"` };
  const pair: Element = { key: concatenation(name, name), text: `"${bridge}" . "${bridge}"` };
  return [
    { set: SET.networks.name, element: own, on: true },
    { set: SET.internal.name, element: own, on: internal },
    { set: SET.neighbours.name, element: pair, on: neighbours },
    ...(['ipv4', 'ipv6'] as const).map((family) => ({
      set: SET.masqueraded.name,
      element: {
        key: concatenation(familyKey(family), name),
        text: `${family} . "${bridge}"`,
      },
      on: !internal && network.masquerade.includes(family),
    })),
  ];
}

const toElements = (possible: readonly Possible[]): Elements =>
  possible.map(({ set, element }) => [set, [element]]);

function portElements(endpoint: Endpoint, ports: readonly PublishedPort[]): Elements {
  const of = (family: IpFamily, any: boolean): Element[] => {
    const address = endpoint[family];
    if (address === undefined) return [];
    const to = addressBytes(address);
    return ports
      .filter(({ hostIp }) => isOfSet(hostIp, family, any))
      .map(({ hostIp, hostPort, containerPort, protocol }) => {
        const from = hostIp === undefined || any ? [] : [addressBytes(hostIp)];
        return {
          key: concatenation(...from, Buffer.of(PROTOCOL_NUMBERS[protocol]), be16(hostPort)),
          data: concatenation(to, be16(containerPort)),
          text: `${from.map((bytes) => `${addressText(bytes)} . `).join('')}${protocol} . ${hostPort} : ${address} . ${containerPort}`,
        };
      });
  };
  return [
    [SET.published4.name, of('ipv4', false)],
    [SET.published6.name, of('ipv6', false)],
    [SET.anywhere4.name, of('ipv4', true)],
    [SET.anywhere6.name, of('ipv6', true)],
  ];
}

function isOfSet(hostIp: string | undefined, family: IpFamily, any: boolean): boolean {
  if (hostIp === undefined) return any;
  if (isIPv4(hostIp) !== (family === 'ipv4')) return false;
  return any === addressBytes(hostIp).every((byte) => byte === 0);
}

function added(elements: Elements): NetlinkMessage[] {
  return elements.flatMap(([set, each]) => addElements(TABLE, set, each));
}

/**
 * What is missing is added first, as one missing element would keep the others. An element that has got other data, which are
 * another container's, refuses the request.
 */
function removed(elements: Elements): NetlinkMessage[] {
  return [
    ...added(elements),
    ...elements.flatMap(([set, each]) => deleteElements(TABLE, set, each)),
  ];
}

/** Messages for a `batch` with `tableMessages`. What the network had before is replaced. */
export function networkMessages(network: FirewallNetwork): NetlinkMessage[] {
  const all = networkElements(network);
  return [...removed(toElements(all)), ...added(toElements(all.filter(({ on }) => on)))];
}

/** The table has to be there. */
export function networkRequest(network: FirewallNetwork): EncodedRequest {
  return batch(networkMessages(network));
}

/** No error if it has none. @throws at the kernel ENOENT if the table is missing */
export function removeNetworkRequest(bridge: string): EncodedRequest {
  const all = networkElements({ bridge, internal: false, neighbours: false, masquerade: [] });
  return batch(removed(toElements(all)));
}

/**
 * A port of a family that the endpoint has no address of is not published in that family.
 *
 * @throws at the kernel EBUSY or EEXIST if one of the ports is published to another container, ENOENT if the table is missing
 */
export function publishRequest(
  endpoint: Endpoint,
  ports: readonly PublishedPort[],
): EncodedRequest {
  return batch(publishMessages(endpoint, ports));
}

export function publishMessages(
  endpoint: Endpoint,
  ports: readonly PublishedPort[],
): NetlinkMessage[] {
  return added(portElements(endpoint, ports));
}

/**
 * The counterpart of `publishRequest` with the same arguments.
 *
 * @throws at the kernel ENOENT if the table is missing, EBUSY or EEXIST as `publishRequest`
 */
export function unpublishRequest(
  endpoint: Endpoint,
  ports: readonly PublishedPort[],
): EncodedRequest {
  return batch(unpublishMessages(endpoint, ports));
}

export function unpublishMessages(
  endpoint: Endpoint,
  ports: readonly PublishedPort[],
): NetlinkMessage[] {
  return removed(portElements(endpoint, ports));
}

/** What is published by one of the addresses of a container is published by another. @throws as `publishRequest` */
export function movePortsRequest(
  from: Endpoint,
  to: Endpoint,
  ports: readonly PublishedPort[],
): EncodedRequest {
  return batch([...removed(portElements(from, ports)), ...added(portElements(to, ports))]);
}

/**
 * What others have published at these ports is removed, a batch for each element: after `port.bind` of the same ports no container
 * has it, as after a supervisor was killed, before any process has done the teardown in its place.
 */
export function removeAnyAt(endpoint: Endpoint, ports: readonly PublishedPort[]): Buffer {
  return Buffer.concat(
    portElements(endpoint, ports).flatMap(([set, elements]) =>
      // By the key: the data are another container's.
      elements.map(({ key, text }) => batch(deleteElements(TABLE, set, [{ key, text }])).bytes),
    ),
  );
}
