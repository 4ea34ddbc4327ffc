/** Interfaces of containers, as elements of the sets of `bridge caisson` (frame-ruleset.ts), and of one of `inet caisson`. */
import { isIPv4 } from 'node:net';
import { addressBytes } from '../../base/ip-address.js';
import type { NetlinkMessage } from '../netlink/message.js';
import { macBytes } from './frame-expressions.js';
import { FRAME_SET, FRAME_TABLE } from './frame-ruleset.js';
import { interfaceName } from './nft-expressions.js';
import {
  addElements,
  concatenation,
  deleteElements,
  type Element,
  type Table,
} from './nft-messages.js';
import { SET, TABLE } from './ruleset.js';

export interface FramePort {
  /** The interface on the host. */
  readonly port: string;
  /** Of its bridge; lower case, with colons. */
  readonly bridgeMac: string;
  /** Of the interface in the container. */
  readonly mac: string;
  /** Those of the interface in the container: all that packets may come from. */
  readonly addresses: readonly string[];
}

type Elements = readonly (readonly [set: string, elements: readonly Element[], table?: Table])[];

function addressElements({ port, bridgeMac, mac, addresses }: FramePort): Elements {
  const name = interfaceName(port);
  const own = macBytes(mac);
  const from = (v4: boolean): Element[] =>
    addresses
      .filter((address) => isIPv4(address) === v4)
      .map((address) => ({
        key: concatenation(name, own, addressBytes(address)),
        text: `"${port}" . ${mac} . ${address}`,
      }));
  const itself: Element = { key: name, text: `"${port}"` };
  return [
    [SET.ports.name, [itself], TABLE],
    [FRAME_SET.ports.name, [itself]],
    [
      FRAME_SET.bridges.name,
      [{ key: name, data: macBytes(bridgeMac), text: `"${port}" : ${bridgeMac}` }],
    ],
    [FRAME_SET.hardware.name, [{ key: concatenation(name, own), text: `"${port}" . ${mac}` }]],
    [FRAME_SET.sources4.name, from(true)],
    [FRAME_SET.sources6.name, from(false)],
    [FRAME_SET.neighbours6.name, from(false)],
  ];
}

function restrictionElements({ port, addresses }: FramePort): Elements {
  const to = (v4: boolean): Element[] =>
    addresses
      .filter((address) => isIPv4(address) === v4 && !isLinkLocal6(address))
      .map((address) => ({ key: addressBytes(address), text: address }));
  return [
    [FRAME_SET.restricted.name, [{ key: interfaceName(port), text: `"${port}"` }]],
    [FRAME_SET.restricted4.name, to(true)],
    [FRAME_SET.restricted6.name, to(false)],
  ];
}

/** fe80::/64: other networks have the same, and the host forwards none. */
const isLinkLocal6 = (address: string) => address.startsWith('fe80:');

const added = (elements: Elements): NetlinkMessage[] =>
  elements.flatMap(([set, each, table = FRAME_TABLE]) => addElements(table, set, each));

/** What is missing is added first, as one missing element would keep the others. */
const removed = (elements: Elements): NetlinkMessage[] => [
  ...added(elements),
  ...elements.flatMap(([set, each, table = FRAME_TABLE]) => deleteElements(table, set, each)),
];

/** From then on the port passes only frames with its own addresses. @throws at the kernel ENOENT if the table is missing */
export function addFramePort(port: FramePort): NetlinkMessage[] {
  return added(addressElements(port));
}

/** The counterpart of `addFramePort` and of `liftFramePort`. @throws at the kernel ENOENT if the table is missing */
export function removeFramePort(port: FramePort): NetlinkMessage[] {
  const counted: Element = { key: interfaceName(port.port), text: `"${port.port}"` };
  return removed([
    ...restrictionElements(port),
    ...addressElements(port),
    [FRAME_SET.refused.name, [counted]],
  ]);
}

/**
 * For a port with a policy: packets between it and other ports of its bridge are forwarded by the host, where the rules for
 * packets see both directions of them. Only ARP and neighbour discovery pass the bridge itself.
 */
export function liftFramePort(port: FramePort): NetlinkMessage[] {
  return added(restrictionElements(port));
}

export function unliftFramePort(port: FramePort): NetlinkMessage[] {
  return removed(restrictionElements(port));
}
