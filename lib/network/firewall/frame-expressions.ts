/** Parts of rules about frames of Ethernet: for tables of the family `bridge`. */
import { attribute, be16, be32, u32, u8 } from '../netlink/message.js';
import {
  CMP,
  compare,
  expression,
  FIELD,
  type Field,
  FIRST,
  lookUp,
  masked,
  NETWORK_HEADER,
  payloadField,
  type RulePart,
  TRANSPORT_HEADER,
  value,
} from './nft-expressions.js';

const LINK_HEADER = 0;
const MAC_SIZE = 6;
/** linux/if_ether.h: ETH_P_*. */
const ETHER_TYPES = { ip: 0x0800, arp: 0x0806, ip6: 0x86dd } as const;
/** IANA's numbers, by nft(8)'s words. */
const ICMPV6_TYPES = {
  'mld-listener-report': 131,
  'mld-listener-done': 132,
  'nd-router-solicit': 133,
  'nd-router-advert': 134,
  'nd-neighbor-solicit': 135,
  'nd-neighbor-advert': 136,
  'nd-redirect': 137,
  'mld2-listener-report': 143,
} as const;
const ICMP_REDIRECT = 5;
const PROTOCOLS = { icmp: 1, udp: 17, icmpv6: 58 } as const;
const META = { length: 0, packetType: 19 } as const;
/** linux/if_packet.h. */
const PACKET_HOST = 0;
const EXTENSION = { destination: 1, type: 2, offset: 3, length: 4, flags: 5, present: 1 } as const;
const ROUTING_HEADER = 43;
const TO_NETWORK_ORDER = 1;

const link = (words: string, offset: number, size: number) =>
  payloadField(words, LINK_HEADER, offset, size);
const network = (words: string, offset: number, size: number) =>
  payloadField(words, NETWORK_HEADER, offset, size);

/** The kernel shows the tag of a VLAN here, and not what is behind it (nft_payload.c: nft_payload_copy_vlan). */
const etherType = link('ether type', 2 * MAC_SIZE, 2);
const etherDestination = link('ether daddr', 0, MAC_SIZE);

/** The address that a neighbour solicitation or advertisement is about (RFC 4861, sections 4.3 and 4.4), behind no other header. */
const NEIGHBOUR = { offset: 40 + 8, size: 16 } as const;

export const FRAME = {
  source: link('ether saddr', MAC_SIZE, MAC_SIZE),
  /** The sender: RFC 826. */
  arpSource: network('arp saddr ether', 8, MAC_SIZE),
  arpSourceAddress: network('arp saddr ip', 14, 4),
  neighbour: network(`@nh,${8 * NEIGHBOUR.offset},${8 * NEIGHBOUR.size}`, NEIGHBOUR.offset, NEIGHBOUR.size), // prettier-ignore
} as const satisfies Record<string, Field>;

/**
 * User data of a set whose key is `iifname . ether saddr . FRAME.neighbour`. nft(8) has no name for the last of them, and would
 * show a set that it could not load without knowing what the key consists of (nftables, src/meta.c, src/payload.c: `_build_udata`).
 */
export const NEIGHBOUR_KEY: Uint8Array = (() => {
  const record = (type: number, ...parts: readonly Uint8Array[]) => {
    const bytes = Buffer.concat(parts);
    return Buffer.concat([Buffer.of(type, bytes.length), bytes]);
  };
  const number = (type: number, value: number) => record(type, u32(value));
  const [kind, data] = [0, 1];
  const expressions = { payload: 7, meta: 9, concatenation: 13 } as const;
  const [iifname, ethernet, sourceOfFrame, networkHeader] = [6, 17, 2, 2];
  const keyTypeof = 3;
  return record(
    keyTypeof,
    number(kind, expressions.concatenation),
    record(
      data,
      record(0, number(kind, expressions.meta), record(data, number(0, iifname))),
      record(
        1,
        number(kind, expressions.payload),
        record(data, number(0, ethernet), number(1, sourceOfFrame)),
      ),
      record(
        2,
        number(kind, expressions.payload),
        record(
          data,
          number(0, 0),
          number(1, 0),
          number(2, networkHeader),
          number(3, 8 * NEIGHBOUR.offset),
          number(4, 8 * NEIGHBOUR.size),
        ),
      ),
    ),
  );
})();

/** @param mac with colons */
export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

type Comparison = readonly [field: Field, bytes: Uint8Array, mask?: Uint8Array];

function comparing(words: string, ...comparisons: readonly Comparison[]): RulePart {
  return {
    text: words,
    expressions: comparisons.flatMap(([field, bytes, mask]) => [
      field.load(FIRST),
      ...(mask === undefined ? [] : [masked(mask)]),
      compare(bytes),
    ]),
  };
}

/** A frame with the tag of a VLAN is of none of these types. */
export function isEtherType(type: keyof typeof ETHER_TYPES): RulePart {
  return comparing(`ether type ${type}`, [etherType, be16(ETHER_TYPES[type])]);
}

/** To one of the groups that no bridge passes on (IEEE 802.1D-2004, table 7-10): the frame enters the host by the port itself. */
export function isToNeighbouringBridge(): RulePart {
  return comparing('ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00', [
    etherDestination,
    macBytes('01:80:c2:00:00:00'),
    macBytes('ff:ff:ff:ff:ff:f0'),
  ]);
}

/** ARP of Ethernet and IPv4. */
export function isArpOfIpv4(): RulePart {
  return comparing(
    'ether type arp arp htype 1 arp ptype ip arp hlen 6 arp plen 4',
    [etherType, be16(ETHER_TYPES.arp)],
    [network('', 0, 2), be16(1)],
    [network('', 2, 2), be16(ETHER_TYPES.ip)],
    [network('', 4, 1), u8(MAC_SIZE)],
    [network('', 5, 1), u8(4)],
  );
}

/** After `isArpOfIpv4`. */
export function isArpFromNoAddress(): RulePart {
  return comparing('arp saddr ip 0.0.0.0', [FRAME.arpSourceAddress, Buffer.alloc(4)]);
}

export function isFromNoAddress6(): RulePart {
  return comparing('ip6 saddr ::', [network('', 8, 16), Buffer.alloc(16)]);
}

/** The header of IPv4 has no options: it is five words long. */
export function hasIpv4Options(): RulePart {
  return {
    text: 'ip hdrlength != 5',
    expressions: [network('', 0, 1).load(FIRST), masked(u8(0x0f)), compare(u8(5), CMP.different)],
  };
}

/** RFC 8200, section 4.4. */
export function hasRoutingHeader(): RulePart {
  return {
    text: 'exthdr rt exists',
    expressions: [
      expression(
        'exthdr',
        attribute(EXTENSION.destination, be32(FIRST)),
        attribute(EXTENSION.type, u8(ROUTING_HEADER)),
        attribute(EXTENSION.offset, be32(0)),
        attribute(EXTENSION.length, be32(1)),
        attribute(EXTENSION.flags, be32(EXTENSION.present)),
      ),
      compare(u8(1)),
    ],
  };
}

const protocolIs = (protocol: keyof typeof PROTOCOLS): Comparison => [
  FIELD.l4proto,
  u8(PROTOCOLS[protocol]),
];

export function isIcmpv6Message(): RulePart {
  return comparing('meta l4proto ipv6-icmp', protocolIs('icmpv6'));
}

export function isUdpTo(port: number): RulePart {
  return comparing(`udp dport ${port}`, protocolIs('udp'), [FIELD.destinationPort, be16(port)]);
}

/** No extension header is before it, and it is no fragment: RFC 6980. */
export function isIcmpv6AtOnce(): RulePart {
  return comparing('ip6 nexthdr ipv6-icmp', [network('', 6, 1), u8(PROTOCOLS.icmpv6)]);
}

/** Also behind extension headers. */
export function isIcmpv6(type: keyof typeof ICMPV6_TYPES): RulePart {
  const field = payloadField('', TRANSPORT_HEADER, 0, 1);
  return comparing(
    `icmpv6 type ${type}`,
    [etherType, be16(ETHER_TYPES.ip6)],
    protocolIs('icmpv6'),
    [field, u8(ICMPV6_TYPES[type])],
  );
}

export function isIcmpRedirect(): RulePart {
  const field = payloadField('', TRANSPORT_HEADER, 0, 1);
  return comparing('icmp type redirect', protocolIs('icmp'), [field, u8(ICMP_REDIRECT)]);
}

/** Without the header of Ethernet, but with what follows the packet. */
export function isLongerThan(bytes: number): RulePart {
  return {
    text: `meta length > ${bytes}`,
    expressions: [
      expression('meta', attribute(1, be32(FIRST)), attribute(2, be32(META.length))),
      // The kernel compares bytes.
      expression(
        'byteorder',
        attribute(1, be32(FIRST)),
        attribute(2, be32(FIRST)),
        attribute(3, be32(TO_NETWORK_ORDER)),
        attribute(4, be32(4)),
        attribute(5, be32(4)),
      ),
      compare(be32(bytes), CMP.more),
    ],
  };
}

/**
 * The frame is for this host now, and not for the port of the bridge that has its destination: what `redirect` of ebtables(8)
 * does. Nothing where the map has no address for the keys.
 */
export function toThisHost(fields: readonly Field[], map: string): RulePart {
  const key = fields.map((field) => field.text).join(' . ');
  return {
    text: `ether daddr set ${key} map @${map} meta pkttype set host`,
    expressions: [
      ...lookUp(fields, map),
      expression(
        'payload',
        attribute(5, be32(FIRST)),
        attribute(2, be32(LINK_HEADER)),
        attribute(3, be32(0)),
        attribute(4, be32(MAC_SIZE)),
        attribute(6, be32(0)),
        attribute(7, be32(0)),
      ),
      expression('immediate', attribute(1, be32(FIRST)), value(2, u8(PACKET_HOST))),
      expression('meta', attribute(2, be32(META.packetType)), attribute(3, be32(FIRST))),
    ],
  };
}
