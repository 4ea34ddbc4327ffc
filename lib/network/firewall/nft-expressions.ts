/**
 * The parts that rules consist of, each with its expressions for the kernel (linux/netfilter/nf_tables.h) and its text for
 * nft(8). A part leaves its value in registers, from the first, and compares it itself: no part needs another.
 */
import { addressText } from '../../base/ip-address.js';
import { attribute, be32, nested, text, u32 } from '../netlink/message.js';

export interface RulePart {
  readonly text: string;
  /** Attributes of each expression: its name and its data. */
  readonly expressions: readonly Buffer[];
}

const EXPRESSION = { name: 1, data: 2 } as const;
const DATA_VALUE = 1;
const DATA_VERDICT = 2;
const VERDICT_CODE = 1;
const META = { pkttype: 19, iif: 4, iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 } as const;
const CT = { state: 0, status: 2 } as const;
const CT_STATE = { invalid: 1, established: 2, related: 4, untracked: 64 } as const;
/** linux/if_packet.h. */
const PACKET_MULTICAST = 2;
const IPS_DST_NAT = 0x20;
/** Operators of comparisons. */
export const CMP = { equal: 0, different: 1, atMost: 3, more: 4, atLeast: 5 } as const;
export const NETWORK_HEADER = 1;
export const TRANSPORT_HEADER = 2;
const FIB = {
  dreg: 1,
  result: 2,
  flags: 3,
  interface: 2,
  addressType: 3,
  ofDestination: 2,
} as const;
/** linux/rtnetlink.h: RTN_*. */
const ADDRESS_TYPES = { local: 2, broadcast: 3, multicast: 5 } as const;
const NFT_NAT_DNAT = 1;
const NFT_LOOKUP_F_INV = 1;
const NF = { drop: 0, accept: 1 } as const;
/** NFPROTO_*, linux/netfilter.h. */
const PROTOCOLS = { ipv4: 2, ipv6: 10 } as const;
export type IpFamily = keyof typeof PROTOCOLS;

/** Where addresses are in a header, in bytes. */
const HEADERS = {
  ipv4: { nft: 'ip', saddr: 12, daddr: 16, size: 4 },
  ipv6: { nft: 'ip6', saddr: 8, daddr: 24, size: 16 },
} as const;

const IFNAMSIZ = 16;
/** The registers of four bytes: NFT_REG32_00 and on. They are the same memory as the four of sixteen bytes. */
const REGISTER_0 = 8;
const REGISTER_SIZE = 4;
/** The first register, as nft(8) numbers it: NFT_REG_1. */
export const FIRST = 1;

export function expression(name: string, ...attributes: readonly Uint8Array[]): Buffer {
  return Buffer.concat([
    attribute(EXPRESSION.name, text(name)),
    nested(EXPRESSION.data, ...attributes),
  ]);
}

export function value(type: number, bytes: Uint8Array): Buffer {
  return nested(type, attribute(DATA_VALUE, bytes));
}

/** A value that is loaded into registers. */
export interface Field {
  readonly text: string;
  /** Bytes. */
  readonly size: number;
  load(register: number): Buffer;
}

function metaField(key: keyof typeof META, size: number, words: string = key): Field {
  return {
    text: words,
    size,
    load: (register) =>
      expression('meta', attribute(1, be32(register)), attribute(2, be32(META[key]))),
  };
}

export function payloadField(words: string, base: number, offset: number, size: number): Field {
  return {
    text: words,
    size,
    load: (register) =>
      expression(
        'payload',
        attribute(1, be32(register)),
        attribute(2, be32(base)),
        attribute(3, be32(offset)),
        attribute(4, be32(size)),
      ),
  };
}

const ctField = (key: keyof typeof CT): Field => ({
  text: `ct ${key}`,
  size: 4,
  load: (register) => expression('ct', attribute(1, be32(register)), attribute(2, be32(CT[key]))),
});

export const FIELD = {
  iifname: metaField('iifname', IFNAMSIZ),
  oifname: metaField('oifname', IFNAMSIZ),
  nfproto: metaField('nfproto', 1, 'meta nfproto'),
  l4proto: metaField('l4proto', 1, 'meta l4proto'),
  /** Of ICMP, its type and code. */
  sourcePort: payloadField('th sport', TRANSPORT_HEADER, 0, 2),
  destinationPort: payloadField('th dport', TRANSPORT_HEADER, 2, 2),
} as const;

function address(family: IpFamily, which: 'saddr' | 'daddr'): Field {
  const { nft, [which]: offset, size } = HEADERS[family];
  return payloadField(`${nft} ${which}`, NETWORK_HEADER, offset, size);
}

export function destinationAddress(family: IpFamily): Field {
  return address(family, 'daddr');
}

export function sourceAddress(family: IpFamily): Field {
  return address(family, 'saddr');
}

/** Fields side by side, each from a register of its own: the key of a concatenation. */
export function loadAll(fields: readonly Field[]): Buffer[] {
  let register = REGISTER_0;
  return fields.map((field) => {
    const load = field.load(register === REGISTER_0 ? FIRST : register);
    register += Math.ceil(field.size / REGISTER_SIZE);
    return load;
  });
}

export function compare(bytes: Uint8Array, operator: number = CMP.equal): Buffer {
  return expression(
    'cmp',
    attribute(1, be32(FIRST)),
    attribute(2, be32(operator)),
    value(3, bytes),
  );
}

export function masked(mask: Uint8Array): Buffer {
  return expression(
    'bitwise',
    attribute(1, be32(FIRST)),
    attribute(2, be32(FIRST)),
    attribute(3, be32(mask.length)),
    value(4, mask),
    value(5, Buffer.alloc(mask.length)),
  );
}

/** @param prefix how many of its first bits are compared */
export function isDestinationIn(family: IpFamily, block: Uint8Array, prefix: number): RulePart {
  const field = destinationAddress(family);
  const mask = Buffer.from(
    block.map((_, at) => 0xff << (8 - Math.min(8, Math.max(0, prefix - 8 * at)))),
  );
  return {
    text: `${field.text} ${addressText(block)}${prefix === 8 * field.size ? '' : `/${prefix}`}`,
    expressions: [...isFamily(family).expressions, field.load(FIRST), masked(mask), compare(block)],
  };
}

/** Requests and answers that take the place of ARP in IPv6: RFC 4861, types 133 to 136. */
export function isNeighbourDiscovery(): RulePart {
  const type = payloadField('', TRANSPORT_HEADER, 0, 1).load(FIRST);
  return {
    text: 'icmpv6 type 133-136',
    expressions: [
      ...isFamily('ipv6').expressions,
      ...isProtocol('ipv6-icmp').expressions,
      type,
      compare(Buffer.of(133), CMP.atLeast),
      compare(Buffer.of(136), CMP.atMost),
    ],
  };
}

/** netinet/in.h: IPPROTO_*, by the words of nft(8). */
const L4_PROTOCOLS = { icmp: 1, tcp: 6, 'ipv6-icmp': 58 } as const;

export function isProtocol(protocol: keyof typeof L4_PROTOCOLS): RulePart {
  return {
    text: `meta l4proto ${protocol}`,
    expressions: [FIELD.l4proto.load(FIRST), compare(Buffer.of(L4_PROTOCOLS[protocol]))],
  };
}

/** The name of an interface, as a key of a set. */
export function interfaceName(name: string): Buffer {
  const bytes = Buffer.alloc(IFNAMSIZ);
  bytes.write(name);
  return bytes;
}

export function isInterface(field: 'iifname' | 'oifname', name: string): RulePart {
  return {
    text: `${field} "${name}"`,
    // As much as the name and its NUL byte: iptables(8) reads such a rule, too.
    expressions: [FIELD[field].load(FIRST), compare(text(name))],
  };
}

/** The packet comes from a process of this machine, or a bridge passes it on (br_netfilter). */
export function isFromNoInterface(): RulePart {
  return {
    text: 'iif 0',
    expressions: [metaField('iif', 4).load(FIRST), compare(u32(0))],
  };
}

export function isFamily(family: IpFamily): RulePart {
  return {
    text: `meta nfproto ${family}`,
    expressions: [FIELD.nfproto.load(FIRST), compare(Buffer.of(PROTOCOLS[family]))],
  };
}

/** The key of a set for a family. */
export function familyKey(family: IpFamily): Buffer {
  return Buffer.of(PROTOCOLS[family]);
}

/** In 127.0.0.0/8. */
export function isLoopback4(which: 'saddr' | 'daddr'): RulePart {
  const field = payloadField('', NETWORK_HEADER, HEADERS.ipv4[which], 1);
  return {
    text: `ip ${which} 127.0.0.0/8`,
    expressions: [...isFamily('ipv4').expressions, field.load(FIRST), compare(Buffer.of(127))],
  };
}

/** The destination is not ::1. */
export function isNotLoopback6(): RulePart {
  const loopback = Buffer.alloc(HEADERS.ipv6.size);
  loopback[HEADERS.ipv6.size - 1] = 1;
  return {
    text: 'ip6 daddr != ::1',
    expressions: [
      ...isFamily('ipv6').expressions,
      destinationAddress('ipv6').load(FIRST),
      compare(loopback, CMP.different),
    ],
  };
}

function fibField(result: number, size: number, words: string): Field {
  return {
    text: words,
    size,
    load: (register) =>
      expression(
        'fib',
        attribute(FIB.dreg, be32(register)),
        attribute(FIB.result, be32(result)),
        attribute(FIB.flags, be32(FIB.ofDestination)),
      ),
  };
}

/**
 * Whether the routes have an interface for the destination whose name is this, or begins so (`*`). nft(8) of Debian 12 cannot load
 * a look-up of it in a set.
 */
export function isRoutedTo(name: string, routed = true): RulePart {
  const isWhole = !name.endsWith('*');
  const bytes = isWhole ? text(name) : Buffer.from(name.slice(0, -1));
  return {
    text: `fib daddr oifname ${routed ? '' : '!= '}"${name}"`,
    expressions: [
      fibField(FIB.interface, IFNAMSIZ, '').load(FIRST),
      compare(bytes, routed ? CMP.equal : CMP.different),
    ],
  };
}

/** What the routes say of the destination: an address of this machine, of all in a network, of a group. */
export function isDestination(type: keyof typeof ADDRESS_TYPES): RulePart {
  return {
    text: `fib daddr type ${type}`,
    expressions: [fibField(FIB.addressType, 4, '').load(FIRST), compare(u32(ADDRESS_TYPES[type]))],
  };
}

export function isInSet(fields: readonly Field[], set: string, inSet = true): RulePart {
  const key = fields.map((field) => field.text).join(' . ');
  return {
    text: `${key} ${inSet ? '' : '!= '}@${set}`,
    expressions: [
      ...loadAll(fields),
      expression(
        'lookup',
        attribute(1, text(set)),
        attribute(2, be32(FIRST)),
        ...(inSet ? [] : [attribute(5, be32(NFT_LOOKUP_F_INV))]),
      ),
    ],
  };
}

function isInState(...states: readonly (keyof typeof CT_STATE)[]): RulePart {
  return {
    text: `ct state ${states.join(',')}`,
    expressions: [
      ctField('state').load(FIRST),
      masked(u32(states.reduce((mask, state) => mask | CT_STATE[state], 0))),
      compare(u32(0), CMP.different),
    ],
  };
}

/** The packet belongs to a connection that was seen before, or is about one. */
export function isEstablished(): RulePart {
  return isInState('established', 'related');
}

/** The packet belongs to a connection that was seen before. */
export function isOfConnection(): RulePart {
  return isInState('established');
}

/** The packet belongs to no connection, and begins none. */
export function isOfNoConnection(): RulePart {
  return isInState('invalid', 'untracked');
}

/** The frame was for a group of hosts. */
export function isToGroup(): RulePart {
  return {
    text: 'meta pkttype multicast',
    expressions: [metaField('pkttype', 1).load(FIRST), compare(Buffer.of(PACKET_MULTICAST))],
  };
}

/** Whether the connection's destination was translated. */
export function isTranslated(translated = true): RulePart {
  return {
    text: `ct status ${translated ? '' : '! '}dnat`,
    expressions: [
      ctField('status').load(FIRST),
      masked(u32(IPS_DST_NAT)),
      compare(u32(0), translated ? CMP.different : CMP.equal),
    ],
  };
}

/** The value that a map has for these fields, in the first register; the rule ends where it has none. */
export function lookUp(fields: readonly Field[], map: string): Buffer[] {
  return [
    ...loadAll(fields),
    expression(
      'lookup',
      attribute(1, text(map)),
      attribute(2, be32(FIRST)),
      attribute(3, be32(FIRST)),
    ),
  ];
}

/** A new destination, address and port, from a map; nothing where it has none. */
export function translateDestination(
  family: IpFamily,
  fields: readonly Field[],
  map: string,
): RulePart {
  const { nft, size } = HEADERS[family];
  const key = fields.map((field) => field.text).join(' . ');
  return {
    text: `dnat ${nft} to ${key} map @${map}`,
    expressions: [
      ...lookUp(fields, map),
      expression(
        'nat',
        attribute(1, be32(NFT_NAT_DNAT)),
        attribute(2, be32(PROTOCOLS[family])),
        attribute(3, be32(FIRST)),
        attribute(5, be32(REGISTER_0 + size / REGISTER_SIZE)),
      ),
    ],
  };
}

/** The source becomes the address of the interface that the packet leaves by. */
export function masquerade(): RulePart {
  return { text: 'masquerade', expressions: [expression('masq')] };
}

/** Counts packets and bytes, as iptables(8) has it in each rule. */
export function counter(): RulePart {
  return { text: 'counter', expressions: [expression('counter')] };
}

export function verdict(word: keyof typeof NF): RulePart {
  return {
    text: word,
    expressions: [
      expression(
        'immediate',
        attribute(1, be32(0)),
        nested(2, nested(DATA_VERDICT, attribute(VERDICT_CODE, be32(NF[word])))),
      ),
    ],
  };
}
