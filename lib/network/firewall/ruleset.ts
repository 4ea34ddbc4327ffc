/**
 * The firewall of container networks: one table, `inet caisson`, whose rules never change. Networks and published ports are
 * elements of its sets. docs/networks.md says what each rule is for.
 */
import { createHash } from 'node:crypto';
import type { EncodedRequest, NetlinkMessage } from '../netlink/message.js';
import type { ListedRule } from './nft-listing.js';
import {
  destinationAddress,
  FIELD,
  type IpFamily,
  isEstablished,
  isFamily,
  isFromNoInterface,
  isInSet,
  isInterface,
  isLocalDestination,
  isLoopback4,
  isNotLoopback6,
  isTranslated,
  masquerade,
  type RulePart,
  translateDestination,
  verdict,
} from './nft-expressions.js';
import {
  addChain,
  addRule,
  addSet,
  addTable,
  batch,
  type Chain,
  flushRules,
  type NamedSet,
  type Table,
} from './nft-messages.js';

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
} as const satisfies Record<string, NamedSet>;

const CHAINS = [
  { name: 'loopback', type: 'filter', hook: 'prerouting', priority: [-300, 'raw'] },
  { name: 'prerouting', type: 'nat', hook: 'prerouting', priority: [-100, 'dstnat'] },
  { name: 'output', type: 'nat', hook: 'output', priority: [-100, '-100'] },
  { name: 'forward', type: 'filter', hook: 'forward', priority: [0, 'filter'] },
  { name: 'postrouting', type: 'nat', hook: 'postrouting', priority: [100, 'srcnat'] },
] as const satisfies readonly Chain[];
type ChainName = (typeof CHAINS)[number]['name'];

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
      isLocalDestination(),
      translateDestination(family, port, any.name),
    ],
  ];
};

const RULES: Readonly<Record<ChainName, readonly (readonly RulePart[])[]>> = {
  // route_localnet, which a bridge needs for ports published to 127.0.0.1, would let its containers reach what listens on
  // 127.0.0.1 of the host (CVE-2020-8558). RFC 1122, section 3.2.1.3 (g): such addresses appear on no other interface.
  loopback: [
    [isInterface('iifname', 'lo'), verdict('accept')],
    [isLoopback4('daddr'), verdict('drop')],
    [isLoopback4('saddr'), verdict('drop')],
  ],
  prerouting: [...published('ipv4'), ...published('ipv6')],
  output: [...published('ipv4'), ...published('ipv6')],
  forward: [
    [isEstablished(), verdict('accept')],
    [isInSet([iifname, oifname], SET.neighbours.name), verdict('accept')],
    [isInSet([iifname], SET.internal.name), verdict('drop')],
    [isInSet([oifname], SET.internal.name), verdict('drop')],
    // From another network, or from outside: only to published ports.
    [toNetwork, isTranslated(false), verdict('drop')],
    [isInSet([nfproto], SET.closed.name), fromElsewhere, toElsewhere, verdict('drop')],
  ],
  postrouting: [
    // The answer has to come back to the host, which knows what was translated: also if the container has asked itself, by a
    // bridge that calls the firewall, and if the source is 127.0.0.1.
    [toNetwork, isTranslated(), fromNetwork, masquerade()],
    [toNetwork, isTranslated(), isFromNoInterface(), masquerade()],
    [isInSet([nfproto, iifname], SET.masqueraded.name), toElsewhere, masquerade()],
  ],
};

const RULE_LIST = CHAINS.flatMap(({ name }) =>
  RULES[name].map((parts) => ({ chain: name, parts })),
);

/** All rules have it, so that others, and missing ones, can be told from them. */
const VERSION = createHash('sha256')
  .update(JSON.stringify([SET, CHAINS]))
  .update(RULE_LIST.map((rule) => addRule(TABLE, rule).text).join())
  .digest()
  .subarray(0, 8);

/** The table, if it is missing, and the rules of this version instead of those that it has; its elements stay. */
export function tableMessages(): NetlinkMessage[] {
  return [
    addTable(TABLE),
    ...Object.values(SET).map((set, at) => addSet(TABLE, set, at + 1)),
    ...CHAINS.map((chain) => addChain(TABLE, chain)),
    flushRules(TABLE),
    ...RULE_LIST.map((rule) => addRule(TABLE, { ...rule, version: VERSION })),
  ];
}

/** `tableMessages` at once: any process may send it, at any time, and all packets meet a whole table. */
export function tableRequest(): EncodedRequest {
  return batch(tableMessages());
}

/** Whether these are the rules of the table, all and no others. */
export function areCurrent(rules: readonly ListedRule[]): boolean {
  return (
    rules.length === RULE_LIST.length && rules.every(({ version }) => version?.equals(VERSION))
  );
}
