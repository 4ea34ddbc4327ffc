/**
 * What frames of Ethernet a container may send: one table, `bridge caisson`, whose rules never change. A container's interface is
 * some elements of its sets (frame-elements.ts). docs/networks.md says what each rule is for.
 */
import { constantTable } from './constant-table.js';
import {
  FRAME,
  hasIpv4Options,
  hasRoutingHeader,
  isArpFromNoAddress,
  isArpOfIpv4,
  isEtherType,
  isFromNoAddress6,
  isIcmpRedirect,
  isIcmpv6,
  isIcmpv6AtOnce,
  isIcmpv6Message,
  NEIGHBOUR_KEY,
  isLongerThan,
  isToNeighbouringBridge,
  isUdpTo,
  toThisHost,
} from './frame-expressions.js';
import {
  destinationAddress,
  FIELD,
  isInSet,
  type RulePart,
  sourceAddress,
  verdict,
} from './nft-expressions.js';
import type { Chain, NamedSet, Table } from './nft-messages.js';
import { countInSet, goBack, toChain } from './nft-verdicts.js';

export const FRAME_TABLE: Table = { family: 'bridge', name: 'caisson' };

/** More interfaces than a host has. */
const MOST_COUNTED = 65_536;

/** As for the sets of ruleset.ts: other types need another name. */
export const FRAME_SET = {
  /** The ends of containers' interfaces on the host, which are ports of bridges. */
  ports: { name: 'ports', key: ['ifname'] },
  /** The MAC address of a port's bridge. */
  bridges: { name: 'bridges', key: ['ifname'], data: ['ether_addr'] },
  /** The addresses that may be used there. */
  hardware: { name: 'hardware', key: ['ifname', 'ether_addr'] },
  sources4: { name: 'sources4', key: ['ifname', 'ether_addr', 'ipv4_addr'] },
  sources6: { name: 'sources6', key: ['ifname', 'ether_addr', 'ipv6_addr'] },
  /** The elements of `sources6`, as what neighbour discovery is about. */
  neighbours6: { name: 'neighbours6', key: ['ifname', 'ether_addr', 'integer'], userdata: NEIGHBOUR_KEY }, // prettier-ignore
  /** Ports of containers with a policy, and their addresses. */
  restricted: { name: 'restricted', key: ['ifname'] },
  restricted4: { name: 'restricted4', key: ['ipv4_addr'] },
  restricted6: { name: 'restricted6', key: ['ipv6_addr'] },
  /** How many frames of a port were dropped. */
  refused: { name: 'refused', key: ['ifname'], dynamic: MOST_COUNTED },
} as const satisfies Record<string, NamedSet>;

/** Before all other tables of this family, and before br_netfilter: only these see what the container has sent. */
const FIRST_OF_ALL = [-300, 'dstnat'] as const;
const FILTER = [-200, 'filter'] as const;
const BASE_CHAINS = [
  { name: 'prerouting', type: 'filter', hook: 'prerouting', priority: FIRST_OF_ALL },
  { name: 'input', type: 'filter', hook: 'input', priority: FILTER },
  { name: 'output', type: 'filter', hook: 'output', priority: FILTER },
] as const satisfies readonly Chain[];
const PLAIN_CHAINS = ['sender', 'sender4', 'sender6', 'announcement', 'resolution', 'unspecified', 'neighbour', 'restricted', 'discovery', 'lifted', 'refused'] as const; // prettier-ignore
type ChainName = (typeof BASE_CHAINS)[number]['name'] | (typeof PLAIN_CHAINS)[number];

const { iifname, oifname } = FIELD;
const { source, arpSource, arpSourceAddress, neighbour } = FRAME;
const inHardware = isInSet([iifname, source], FRAME_SET.hardware.name);
const isAboutItself = [isIcmpv6AtOnce(), isInSet([iifname, source, neighbour], FRAME_SET.neighbours6.name)]; // prettier-ignore
const refuse = toChain('goto', 'refused');
const fromRestricted = isInSet([iifname], FRAME_SET.restricted.name);
const toRestricted6: readonly RulePart[] = [isEtherType('ip6'), isInSet([destinationAddress('ipv6')], FRAME_SET.restricted6.name), toChain('goto', 'neighbour')]; // prettier-ignore
/** A request of 28 bytes (RFC 826): nothing follows it. */
const ARP_SIZE = 28;
/** A header of IPv6, a solicitation, and the options that Linux adds: its own MAC address and a nonce (RFC 7527). */
const DISCOVERY_SIZE = 40 + 24 + 8 + 8;
/** A report about two groups, which are those of a container's own two addresses: RFC 3810, section 5.2. */
const REPORT_SIZE = 40 + 8 + 8 + 2 * 20;

const RULES: Readonly<Record<ChainName, readonly (readonly RulePart[])[]>> = {
  // Nearly all frames are packets of containers from their own addresses: they pass as few look-ups as possible.
  prerouting: [
    [isEtherType('ip'), isInSet([iifname, source, sourceAddress('ipv4')], FRAME_SET.sources4.name), toChain('goto', 'sender4')], // prettier-ignore
    [isEtherType('ip6'), isInSet([iifname, source, sourceAddress('ipv6')], FRAME_SET.sources6.name), toChain('goto', 'sender6')], // prettier-ignore
    [isInSet([iifname], FRAME_SET.ports.name, false), verdict('accept')],
    [toChain('jump', 'sender')],
    [fromRestricted, toChain('goto', 'restricted')],
    toRestricted6,
  ],
  // Such a frame does not come by `prerouting`. With a packet in it, it would enter the host by the port, where no rule of a
  // bridge applies; without one, it would still tell the bridge where its source is.
  input: [[isToNeighbouringBridge(), isInSet([iifname], FRAME_SET.ports.name), refuse]],
  // The host passes lifted packets back to the network that they came from, and would tell of a shorter way.
  output: [
    [isIcmpRedirect(), isInSet([oifname], FRAME_SET.ports.name), verdict('drop')],
    [isIcmpv6('nd-redirect'), isInSet([oifname], FRAME_SET.ports.name), verdict('drop')],
  ],
  sender: [
    [isEtherType('arp'), inHardware, toChain('goto', 'resolution')],
    [isEtherType('ip6'), isFromNoAddress6(), inHardware, toChain('goto', 'unspecified')],
    [refuse],
  ],
  sender4: [
    [isUdpTo(68), refuse],
    [fromRestricted, toChain('goto', 'restricted')],
    [isEtherType('ip'), isInSet([destinationAddress('ipv4')], FRAME_SET.restricted4.name), toChain('goto', 'lifted')], // prettier-ignore
  ],
  sender6: [
    [isIcmpv6Message(), toChain('jump', 'announcement')],
    [isUdpTo(546), refuse],
    [fromRestricted, toChain('goto', 'restricted')],
    toRestricted6,
  ],
  announcement: [
    [isIcmpv6('nd-router-advert'), refuse],
    [isIcmpv6('nd-redirect'), refuse],
    [isIcmpv6('nd-neighbor-advert'), ...isAboutItself, goBack()],
    [isIcmpv6('nd-neighbor-advert'), refuse],
  ],
  resolution: [
    [isArpOfIpv4(), isInSet([iifname, arpSource, arpSourceAddress], FRAME_SET.sources4.name), goBack()], // prettier-ignore
    // A probe: RFC 5227, section 2.1.1.
    [isArpOfIpv4(), isArpFromNoAddress(), isInSet([iifname, arpSource], FRAME_SET.hardware.name), goBack()], // prettier-ignore
    [refuse],
  ],
  // Duplicate address detection (RFC 4862, section 5.4), and reports before it has ended (RFC 3590).
  unspecified: [
    [isIcmpv6('nd-neighbor-solicit'), ...isAboutItself, goBack()],
    [isIcmpv6('mld2-listener-report'), goBack()],
    [isIcmpv6('mld-listener-report'), goBack()],
    [isIcmpv6('mld-listener-done'), goBack()],
    [refuse],
  ],
  neighbour: [
    [isIcmpv6('nd-neighbor-solicit'), verdict('accept')],
    [isIcmpv6('nd-neighbor-advert'), verdict('accept')],
    [toChain('goto', 'lifted')],
  ],
  restricted: [
    [isEtherType('arp'), isLongerThan(ARP_SIZE), refuse],
    [isEtherType('arp'), verdict('accept')],
    // A source route (RFC 791, section 3.1) is not what the policy compares.
    [isEtherType('ip'), hasIpv4Options(), refuse],
    [isEtherType('ip6'), hasRoutingHeader(), refuse],
    [isEtherType('ip6'), isIcmpv6Message(), toChain('goto', 'discovery')],
    [toChain('goto', 'lifted')],
  ],
  discovery: [
    [isIcmpv6('nd-neighbor-solicit'), isLongerThan(DISCOVERY_SIZE), refuse],
    [isIcmpv6('nd-neighbor-solicit'), verdict('accept')],
    [isIcmpv6('nd-neighbor-advert'), isLongerThan(DISCOVERY_SIZE), refuse],
    [isIcmpv6('nd-neighbor-advert'), verdict('accept')],
    // Bridges pass solicitations on to those that have reported their group, if anything asks for reports.
    [isIcmpv6('mld2-listener-report'), isLongerThan(REPORT_SIZE), refuse],
    [isIcmpv6('mld2-listener-report'), verdict('accept')],
    // The kernel of the container asks by itself, and nothing answers.
    [isIcmpv6('nd-router-solicit'), verdict('drop')],
    [toChain('goto', 'lifted')],
  ],
  lifted: [[toThisHost([iifname], FRAME_SET.bridges.name), verdict('accept')], [refuse]],
  refused: [[countInSet([iifname], FRAME_SET.refused.name)], [verdict('drop')]],
};

export const { messages: frameTableMessages, areCurrent: areFrameRulesCurrent } = constantTable(
  FRAME_TABLE,
  FRAME_SET,
  BASE_CHAINS,
  PLAIN_CHAINS,
  RULES,
);
