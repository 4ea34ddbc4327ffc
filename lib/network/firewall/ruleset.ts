/**
 * The firewall of container networks: one table, `inet caisson`, whose rules never change. Networks and published ports are
 * elements of its sets. docs/networks.md says what each rule is for.
 */
import { addressBytes } from '../../base/ip-address.js';
import type { EncodedRequest } from '../netlink/message.js';
import { constantTable } from './constant-table.js';
import {
  destinationAddress,
  FIELD,
  type IpFamily,
  isEstablished,
  isDestination,
  isDestinationIn,
  isFamily,
  isFromNoInterface,
  isInSet,
  isInterface,
  isLoopback4,
  isNeighbourDiscovery,
  isNotLoopback6,
  isOfConnection,
  isOfNoConnection,
  isProtocol,
  isRoutedTo,
  isToGroup,
  isTranslated,
  masquerade,
  type RulePart,
  sourceAddress,
  translateDestination,
  verdict,
} from './nft-expressions.js';
import { batch, type Chain, type NamedSet, type Table } from './nft-messages.js';
import { byVerdictMap, goBack, rejectAsProhibited, rejectWithReset } from './nft-verdicts.js';

export const TABLE: Table = { family: 'inet', name: 'caisson' };

/**
 * A set whose types change gets a new name, as elements of running containers stay in the old one; a chain whose hook changes
 * gets one, too. Both are then deleted by `tableMessages`.
 */
export const SET = {
  /** The bridges of all networks. */
  networks: { name: 'networks', key: ['ifname'] },
  /** Those of networks that reach nothing else. */
  internal: { name: 'internal', key: ['ifname'] },
  /** A bridge and itself, if its containers may reach each other. */
  neighbours: { name: 'neighbours', key: ['ifname', 'ifname'] },
  /** Bridges from which packets leave with the address of the host. */
  masqueraded: { name: 'masqueraded', key: ['nf_proto', 'ifname'] },
  /** The ends of containers' interfaces on the host, which are ports of bridges. */
  ports: { name: 'ports', key: ['ifname'] },
  /** Families that are forwarded only to and from container networks. */
  closed: { name: 'closed', key: ['nf_proto'] },
  /** Ports of one address of the host. */
  published4: {
    name: 'published4',
    key: ['ipv4_addr', 'inet_proto', 'inet_service'],
    data: ['ipv4_addr', 'inet_service'],
  },
  published6: {
    name: 'published6',
    key: ['ipv6_addr', 'inet_proto', 'inet_service'],
    data: ['ipv6_addr', 'inet_service'],
  },
  /** Ports of all addresses of the host. */
  anywhere4: {
    name: 'anywhere4',
    key: ['inet_proto', 'inet_service'],
    data: ['ipv4_addr', 'inet_service'],
  },
  anywhere6: {
    name: 'anywhere6',
    key: ['inet_proto', 'inet_service'],
    data: ['ipv6_addr', 'inet_service'],
  },
  /** Addresses of containers that have a policy, by the bridge that their packets come from: to the chain of the policy. */
  restricted4: { name: 'restricted4', key: ['ifname', 'ipv4_addr'], data: 'verdict' },
  restricted6: { name: 'restricted6', key: ['ifname', 'ipv6_addr'], data: 'verdict' },
  /** Addresses of the machine, where they are not those of this network namespace: that of a rootless user's networks. */
  host4: { name: 'host4', key: ['nf_proto', 'ipv4_addr'], ranges: true },
  host6: { name: 'host6', key: ['nf_proto', 'ipv6_addr'], ranges: true },
} as const satisfies Record<string, NamedSet>;

const CHAINS = [
  // When connections are known, and before destinations are translated: a policy is about what the container asks for.
  { name: 'incoming', type: 'filter', hook: 'prerouting', priority: [-150, 'mangle'] },
  { name: 'prerouting', type: 'nat', hook: 'prerouting', priority: [-100, 'dstnat'] },
  { name: 'output', type: 'nat', hook: 'output', priority: [-100, '-100'] },
  { name: 'forward', type: 'filter', hook: 'forward', priority: [0, 'filter'] },
  { name: 'postrouting', type: 'nat', hook: 'postrouting', priority: [100, 'srcnat'] },
] as const satisfies readonly Chain[];

/** Where chains of policies (lib/network/policy) send packets to. */
export const POLICY_CHAIN = {
  /** Comes back, unless the packet begins no connection. */
  noConnection: 'no-connection',
  /**
   * Accepts what is not special: comes back with packets for this machine, for containers (the names of bridges begin with
   * `cai`, as far as no others were asked for), and for addresses in `SPECIAL`.
   */
  allowOrdinary: 'allow-ordinary',
  refuse: 'refuse',
} as const;
const PLAIN_CHAINS = Object.values(POLICY_CHAIN);
type ChainName = (typeof CHAINS)[number]['name'] | (typeof PLAIN_CHAINS)[number];

/** Addresses that a policy allows only if a rule names them: they belong to the machine, its provider or nobody. */
const SPECIAL: readonly (readonly [family: IpFamily, block: string])[] = [
  ['ipv4', '0.0.0.0/8'],
  ['ipv4', '127.0.0.0/8'],
  // Link-local: the metadata of most clouds is at 169.254.169.254.
  ['ipv4', '169.254.0.0/16'],
  ['ipv4', '224.0.0.0/4'],
  ['ipv4', '240.0.0.0/4'],
  // The metadata, and what is like it, of Oracle, Alibaba and Azure.
  ['ipv4', '192.0.0.192/32'],
  ['ipv4', '100.100.100.200/32'],
  ['ipv4', '168.63.129.16/32'],
  // Loopback, IPv4 in IPv6, link-local, groups, and the metadata of Amazon.
  ['ipv6', '::/32'],
  ['ipv6', 'fe80::/10'],
  ['ipv6', 'ff00::/8'],
  ['ipv6', 'fd00:ec2::254/128'],
];

function isIn(family: IpFamily, block: string): RulePart {
  const [address = '', prefix] = block.split('/');
  return isDestinationIn(family, addressBytes(address), Number(prefix));
}

const { iifname, oifname, nfproto, l4proto, destinationPort } = FIELD;
const fromNetwork = isInSet([iifname], SET.networks.name);
const toNetwork = isInSet([oifname], SET.networks.name);
const toElsewhere = isInSet([oifname], SET.networks.name, false);
const fromElsewhere = isInSet([iifname], SET.networks.name, false);

const published = (family: IpFamily): readonly (readonly RulePart[])[] => {
  const [one, any] =
    family === 'ipv4' ? [SET.published4, SET.anywhere4] : [SET.published6, SET.anywhere6];
  const address = destinationAddress(family);
  const port = [l4proto, destinationPort];
  return [
    [isFamily(family), translateDestination(family, [address, ...port], one.name)],
    // An answer to ::1 could not be routed from a bridge: refused at once is better than no answer.
    [
      family === 'ipv4' ? isFamily(family) : isNotLoopback6(),
      isDestination('local'),
      translateDestination(family, port, any.name),
    ],
  ];
};

const RULES: Readonly<Record<ChainName, readonly (readonly RulePart[])[]>> = {
  incoming: [
    // No packet comes from a port itself, but in a frame to 01:80:c2:00:00:0e, which passes no rule of the bridge: it may
    // have any address, and those of a connection of others as well.
    [isToGroup(), isInSet([iifname], SET.ports.name), verdict('drop')],
    // Nearly all packets end here. What follows is about the first one of a connection, and about messages of ICMP.
    [isOfConnection(), verdict('accept')],
    // route_localnet, which a bridge needs for ports published to 127.0.0.1, would let its containers reach what listens on
    // 127.0.0.1 of the host (CVE-2020-8558). RFC 1122, section 3.2.1.3 (g): such addresses appear on no other interface.
    [isInterface('iifname', 'lo'), verdict('accept')],
    [isLoopback4('daddr'), verdict('drop')],
    [isLoopback4('saddr'), verdict('drop')],
    // After these: a message of ICMP may be about a connection of 127.0.0.1.
    [isEstablished(), verdict('accept')],
    [isFamily('ipv4'), byVerdictMap([iifname, sourceAddress('ipv4')], SET.restricted4.name)],
    [isFamily('ipv6'), byVerdictMap([iifname, sourceAddress('ipv6')], SET.restricted6.name)],
  ],
  [POLICY_CHAIN.noConnection]: [
    // On the link alone: a host would forward it to elsewhere, as a tunnel.
    [isNeighbourDiscovery(), isDestination('local'), verdict('accept')],
    [isNeighbourDiscovery(), isIn('ipv6', 'ff02::/16'), verdict('accept')],
    [isNeighbourDiscovery(), isIn('ipv6', 'fe80::/10'), verdict('accept')],
    [isOfNoConnection(), verdict('drop')],
  ],
  [POLICY_CHAIN.allowOrdinary]: [
    [isDestination('local'), goBack()],
    [isRoutedTo('cai*'), goBack()],
    [isDestination('broadcast'), goBack()],
    [isFamily('ipv4'), isInSet([nfproto, destinationAddress('ipv4')], SET.host4.name), goBack()],
    [isFamily('ipv6'), isInSet([nfproto, destinationAddress('ipv6')], SET.host6.name), goBack()],
    ...SPECIAL.map((special) => [isIn(...special), goBack()]),
    [verdict('accept')],
  ],
  [POLICY_CHAIN.refuse]: [[isProtocol('tcp'), rejectWithReset()], [rejectAsProhibited()]],
  prerouting: [...published('ipv4'), ...published('ipv6')],
  output: [...published('ipv4'), ...published('ipv6')],
  forward: [
    [isEstablished(), verdict('accept')],
    [isInSet([iifname, oifname], SET.neighbours.name), verdict('accept')],
    [isInSet([iifname], SET.internal.name), verdict('drop')],
    [isInSet([oifname], SET.internal.name), verdict('drop')],
    // From another network, or from outside: only to published ports.
    [isTranslated(false), toNetwork, verdict('drop')],
    [isInSet([nfproto], SET.closed.name), fromElsewhere, toElsewhere, verdict('drop')],
  ],
  postrouting: [
    // The answer has to come back to the host, which knows what was translated: also if the container has asked itself, by a
    // bridge that calls the firewall, and if the source is 127.0.0.1.
    [isTranslated(), toNetwork, fromNetwork, masquerade()],
    [isTranslated(), toNetwork, isFromNoInterface(), masquerade()],
    [isInSet([nfproto, iifname], SET.masqueraded.name), toElsewhere, masquerade()],
  ],
};

export const {
  /** Other chains of the table are those of policies. */
  chains: CONSTANT_CHAINS,
  messages: tableMessages,
  areCurrent,
} = constantTable(TABLE, SET, CHAINS, PLAIN_CHAINS, RULES);

/** `tableMessages` at once: any process may send it, at any time, and all packets meet a whole table. */
export function tableRequest(): EncodedRequest {
  return batch(tableMessages());
}
