/** Rules as elements of a set of ranges, which the kernel takes only if no two of them have a key in common. */
import type { Family } from '../../base/cidr.js';
import { bitsOf } from '../../base/cidr.js';
import { be16, u8 } from '../netlink/message.js';
import { concatenation, type Element } from '../firewall/nft-messages.js';
import { addressText } from '../../base/ip-address.js';
import type { AddressRule } from './rules.js';

type Range = readonly [first: bigint, last: bigint];
/** Addresses, protocols and ports. */
type Box = readonly [Range, Range, Range];

const ALL_PROTOCOLS: Range = [0n, 255n];
const ALL_PORTS: Range = [0n, 65_535n];

/** Of one family. Together they have the keys of all rules, each once. */
export function elementsOf(rules: readonly AddressRule[], family: Family): Element[] {
  const boxes: Box[] = [];
  for (const rule of rules) {
    if (rule.family !== family) continue;
    let left: Box[] = [boxOf(rule)];
    for (const box of boxes) left = left.flatMap((each) => without(each, box));
    boxes.push(...left);
  }
  return boxes.map((box) => elementOf(box, family));
}

function boxOf({ first, last, protocol, ports }: AddressRule): Box {
  const protocols: Range =
    protocol === undefined ? ALL_PROTOCOLS : [BigInt(protocol), BigInt(protocol)];
  return [
    [first, last],
    protocols,
    ports === undefined ? ALL_PORTS : [BigInt(ports[0]), BigInt(ports[1])],
  ];
}

/** What of a box is not in another one: for each field what is before and behind it there. */
function without(box: Box, other: Box): Box[] {
  if (box.some(([first, last], at) => last < other[at]![0] || first > other[at]![1])) return [box];
  const parts: Box[] = [];
  const rest: [Range, Range, Range] = [...box];
  for (const [at, [first, last]] of other.entries()) {
    const [from, to] = rest[at]!;
    const part = (range: Range) => parts.push(rest.with(at, range) as unknown as Box);
    if (from < first) part([from, first - 1n]);
    if (to > last) part([last + 1n, to]);
    rest[at] = [from < first ? first : from, to > last ? last : to];
  }
  return parts;
}

function elementOf(box: Box, family: Family): Element {
  const [addresses, protocols, ports] = box;
  const address = (value: bigint) =>
    Buffer.from(value.toString(16).padStart(bitsOf(family) / 4, '0'), 'hex');
  const key = (at: 0 | 1) =>
    concatenation(address(addresses[at]), u8(Number(protocols[at])), be16(Number(ports[at])));
  const words = (values: readonly string[]) => [...new Set(values)].join('-');
  return {
    key: key(0),
    keyEnd: key(1),
    text: [
      words(addresses.map((value) => addressText(address(value)))),
      words(protocols.map(String)),
      words(ports.map(String)),
    ].join(' . '),
  };
}
