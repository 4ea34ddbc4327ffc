/**
 * Messages of nf_tables over nfnetlink: a batch that makes or removes tables, chains, sets, rules and elements, all or none.
 * Numbers are of linux/netfilter/nf_tables.h and nfnetlink.h.
 */
import {
  attribute,
  be16,
  be32,
  be64,
  type EncodedRequest,
  encodeRequest,
  nested,
  NETLINK,
  type NetlinkMessage,
  NLM_F,
  text,
  u32,
} from '../netlink/message.js';
import type { RulePart } from './nft-expressions.js';

const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_BATCH_GENID = 1;
const NFNL_MSG_BATCH_END = 0x11;
export const NFT_MSG = {
  newTable: 0,
  delTable: 2,
  newChain: 3,
  getChain: 4,
  delChain: 5,
  newRule: 6,
  getRule: 7,
  delRule: 8,
  newSet: 9,
  delSet: 11,
  newElement: 12,
  getElement: 13,
  delElement: 14,
  getGeneration: 16,
} as const;

export const NFTA = {
  generationId: 1,
  tableName: 1,
  chain: { table: 1, name: 3, hook: 4, policy: 5, type: 7 },
  hook: { number: 1, priority: 2 },
  rule: { table: 1, chain: 2, handle: 3, expressions: 4, userdata: 7 },
  set: {
    table: 1,
    name: 2,
    flags: 3,
    keyType: 4,
    keyLength: 5,
    dataType: 6,
    dataLength: 7,
    description: 9,
    id: 10,
    timeout: 11,
    userdata: 13,
  },
  setDescription: { size: 1, concatenation: 2 },
  fieldLength: 1,
  elements: { table: 1, set: 2, list: 3 },
  element: { key: 1, data: 2, timeout: 4, expiration: 5, expression: 7, keyEnd: 10 },
  listElement: 1,
  dataValue: 1,
  dataVerdict: 2,
  verdict: { code: 1, chain: 2 },
  expressionData: 2,
  counter: { packets: 2 },
} as const;
const NFT_SET = { interval: 4, map: 8, timeout: 0x10, dynamic: 0x20, concatenation: 0x80 } as const;
/** The type of data that are verdicts. */
const NFT_DATA_VERDICT = 0xffffff00;
/** libnftnl, include/libnftnl/udata.h: the types of user data, which nft(8) reads. */
export const UDATA = { ruleComment: 0, setKeyByteOrder: 0 } as const;
/** A type that nft(8) passes over. */
export const UDATA_VERSION = 200;
const HOST_ENDIAN = 1;

/** linux/netfilter.h: NFPROTO_*. */
export const NFPROTO = { inet: 1, ip: 2, bridge: 7, ip6: 10 } as const;
/** linux/netfilter.h: NF_INET_*; linux/netfilter_bridge.h has the same numbers. */
export const HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

export interface Table {
  readonly family: keyof typeof NFPROTO;
  readonly name: string;
}

export interface Chain {
  readonly name: string;
  readonly type: 'filter' | 'nat';
  readonly hook: keyof typeof HOOK;
  /** A number, and the name that nft(8) has for it. */
  readonly priority: readonly [number: number, name: string];
}

/** A type of a key or of data: the number that nft(8) knows it by, and its size in bytes. */
interface DataType {
  readonly number: number;
  readonly size: number;
}
/** nftables, include/datatype.h: enum datatypes. */
const DATA_TYPES = {
  nf_proto: { number: 2, size: 1 },
  /** Of 16 bytes. */
  integer: { number: 4, size: 16 },
  ipv4_addr: { number: 7, size: 4 },
  ipv6_addr: { number: 8, size: 16 },
  ether_addr: { number: 9, size: 6 },
  inet_proto: { number: 12, size: 1 },
  inet_service: { number: 13, size: 2 },
  ifname: { number: 41, size: 16 },
} as const satisfies Record<string, DataType>;
export type DataTypeName = keyof typeof DATA_TYPES;

export interface NamedSet {
  readonly name: string;
  /** What nft(8) has to know of the key, besides its types. */
  readonly userdata?: Uint8Array;
  /** Several are a concatenation. */
  readonly key: readonly DataTypeName[];
  /** Of a map. */
  readonly data?: readonly DataTypeName[] | 'verdict';
  /** Elements are ranges, of each field of the key. */
  readonly ranges?: boolean;
  /** Elements may have a time after which they are removed; `packets`: those that rules add have this one, in milliseconds. */
  readonly timeout?: 'elements' | { readonly packets: bigint };
  /** Rules add elements, at most so many. */
  readonly dynamic?: number;
}

/** A value of a set, or a key and its value. Fields of a concatenation are `concatenation`'s. */
export interface Element {
  readonly key: Uint8Array;
  /** Of a range: its last key. */
  readonly keyEnd?: Uint8Array;
  /** Bytes, or the attributes of a verdict. */
  readonly data?: Uint8Array;
  readonly verdict?: Uint8Array;
  readonly text: string;
}

/** How many bytes the elements of one message have: the length of an attribute has 16 bits. */
const MOST_BYTES = 32 << 10;
/** How many elements the text of a message names. */
const MOST_NAMED = 6;

/** Does all of it, or nothing; nothing also if the ruleset has another generation by then (errno 85). */
export function batch(messages: readonly NetlinkMessage[], generation?: number): EncodedRequest {
  const same = generation === undefined ? [] : [attribute(NFNL_BATCH_GENID, be32(generation))];
  const all = [limit('begin', ...same), ...messages, limit('end')];
  // The end is answered since Linux 6.10 only.
  return encodeRequest(NETLINK.netfilter, all, messages.length);
}

/** The kernel does what they ask for, and takes it back, as the batch has no end: as `nft --check`. */
export function dryRun(messages: readonly NetlinkMessage[]): EncodedRequest {
  return encodeRequest(NETLINK.netfilter, [limit('begin'), ...messages], messages.length);
}

function limit(which: 'begin' | 'end', ...attributes: readonly Buffer[]): NetlinkMessage {
  return {
    type: which === 'begin' ? NFNL_MSG_BATCH_BEGIN : NFNL_MSG_BATCH_END,
    body: Buffer.concat([Buffer.of(0, 0), be16(NFNL_SUBSYS_NFTABLES), ...attributes]),
    text: `${which} of nftables batch`,
  };
}

export function nftables(
  type: number,
  family: keyof typeof NFPROTO,
  flags: number,
  line: string,
  ...attributes: readonly Uint8Array[]
): NetlinkMessage {
  return {
    type: (NFNL_SUBSYS_NFTABLES << 8) | type,
    flags,
    body: Buffer.concat([Buffer.of(NFPROTO[family], 0, 0, 0), ...attributes]),
    text: line,
  };
}

const named = ({ family, name }: Table) => `${family} ${name}`;

/** Which rules a message is about: those of this chain. */
function inChain(table: Table, chain: string): Buffer[] {
  return [attribute(NFTA.rule.table, text(table.name)), attribute(NFTA.rule.chain, text(chain))];
}

/** Which elements a message is about: those of this set. */
function inSet(table: Table, set: string): Buffer[] {
  return [
    attribute(NFTA.elements.table, text(table.name)),
    attribute(NFTA.elements.set, text(set)),
  ];
}

/** No error if there is one. */
export function addTable(table: Table): NetlinkMessage {
  const name = attribute(NFTA.tableName, text(table.name));
  return nftables(NFT_MSG.newTable, table.family, NLM_F.create, `add table ${named(table)}`, name);
}

/** A base chain that accepts. No error if there is one with the same hook and priority. */
export function addChain(table: Table, { name, type, hook, priority }: Chain): NetlinkMessage {
  const NF_ACCEPT = 1;
  return nftables(
    NFT_MSG.newChain,
    table.family,
    NLM_F.create,
    `add chain ${named(table)} ${name} { type ${type} hook ${hook} priority ${priority[1]}; }`,
    attribute(NFTA.chain.table, text(table.name)),
    attribute(NFTA.chain.name, text(name)),
    nested(
      NFTA.chain.hook,
      attribute(NFTA.hook.number, be32(HOOK[hook])),
      attribute(NFTA.hook.priority, be32(priority[0])),
    ),
    attribute(NFTA.chain.policy, be32(NF_ACCEPT)),
    attribute(NFTA.chain.type, text(type)),
  );
}

/** @param id different from that of all other sets of the batch. */
export function addSet(table: Table, set: NamedSet, id: number): NetlinkMessage {
  const { name, key, data } = set;
  return nftables(
    NFT_MSG.newSet,
    table.family,
    NLM_F.create,
    `add ${data === undefined ? 'set' : 'map'} ${named(table)} ${name} { ${setText(set)}; }`,
    attribute(NFTA.set.table, text(table.name)),
    attribute(NFTA.set.name, text(name)),
    attribute(NFTA.set.flags, be32(flagsOf(set))),
    attribute(NFTA.set.keyType, be32(typeNumber(key))),
    attribute(NFTA.set.keyLength, be32(sizeOf(key))),
    attribute(NFTA.set.id, be32(id)),
    // Without it nft(8) shows a name as if it were a number in network byte order.
    ...(key.length === 1 && key[0] === 'ifname'
      ? [attribute(NFTA.set.userdata, userdata(UDATA.setKeyByteOrder, u32(HOST_ENDIAN)))]
      : []),
    ...(set.userdata === undefined ? [] : [attribute(NFTA.set.userdata, set.userdata)]),
    ...dataAttributes(data),
    ...descriptionOf(set),
    ...(typeof set.timeout === 'object'
      ? [attribute(NFTA.set.timeout, be64(set.timeout.packets))]
      : []),
  );
}

function flagsOf({ data, ranges, timeout, dynamic }: NamedSet): number {
  return (
    (data === undefined ? 0 : NFT_SET.map) |
    (ranges === true ? NFT_SET.interval | NFT_SET.concatenation : 0) |
    (timeout === undefined ? 0 : NFT_SET.timeout) |
    (dynamic === undefined ? 0 : NFT_SET.dynamic)
  );
}

function setText({ key, data, ranges, timeout, dynamic }: NamedSet): string {
  const to = data === undefined ? '' : ` : ${data === 'verdict' ? data : data.join(' . ')}`;
  const flags = [
    ...(ranges === true ? ['interval'] : []),
    ...(timeout === undefined ? [] : ['timeout']),
    ...(dynamic === undefined ? [] : ['dynamic']),
  ];
  return [
    `type ${key.join(' . ')}${to}`,
    ...(flags.length === 0 ? [] : [`flags ${flags.join(',')}`]),
    ...(typeof timeout === 'object' ? [`timeout ${timeout.packets / 1000n}s`] : []),
    ...(dynamic === undefined ? [] : [`size ${dynamic}`]),
  ].join('; ');
}

function dataAttributes(data: NamedSet['data']): Buffer[] {
  if (data === undefined) return [];
  if (data === 'verdict') return [attribute(NFTA.set.dataType, be32(NFT_DATA_VERDICT))];
  return [
    attribute(NFTA.set.dataType, be32(typeNumber(data))),
    attribute(NFTA.set.dataLength, be32(sizeOf(data))),
  ];
}

/** The kernel has to know where the fields of a range are. */
function descriptionOf({ key, ranges, dynamic }: NamedSet): Buffer[] {
  const { size, concatenation: fields } = NFTA.setDescription;
  const parts = [
    ...(dynamic === undefined ? [] : [attribute(size, be32(dynamic))]),
    ...(ranges === true
      ? [nested(fields, ...key.map((type) => nested(NFTA.listElement, attribute(NFTA.fieldLength, be32(DATA_TYPES[type].size)))))] // prettier-ignore
      : []),
  ];
  return parts.length === 0 ? [] : [nested(NFTA.set.description, ...parts)];
}

/** nft(8) has six bits for each type of a concatenation. */
function typeNumber(types: readonly DataTypeName[]): number {
  return types.reduce((number, type) => (number << 6) | DATA_TYPES[type].number, 0);
}

/** Each field of a concatenation begins at a multiple of four bytes, which is the size of a register. */
function sizeOf(types: readonly DataTypeName[]): number {
  const [only] = types;
  if (types.length === 1 && only !== undefined) return DATA_TYPES[only].size;
  return types.reduce((size, type) => size + aligned(DATA_TYPES[type].size), 0);
}

function aligned(size: number): number {
  return (size + 3) & ~3;
}

/** The fields of a key or of data. A single field is not padded. */
export function concatenation(...fields: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    fields.flatMap((field) => [field, Buffer.alloc(aligned(field.length) - field.length)]),
  );
}

/** No error for those that are there. @throws at the kernel EEXIST or EBUSY of a key that has other data */
export function addElements(
  table: Table,
  set: string,
  elements: readonly Element[],
): NetlinkMessage[] {
  return elementMessages(NFT_MSG.newElement, NLM_F.create, 'add', table, set, elements);
}

/** All of them. @throws at the kernel ENOENT if the set is missing */
export function flushElements(table: Table, set: string): NetlinkMessage {
  return nftables(
    NFT_MSG.delElement,
    table.family,
    0,
    `flush set ${named(table)} ${set}`,
    ...inSet(table, set),
  );
}

/** @throws at the kernel ENOENT if one is missing */
export function deleteElements(
  table: Table,
  set: string,
  elements: readonly Element[],
): NetlinkMessage[] {
  const keys = elements.map(({ data: _, verdict: __, ...key }) => key);
  return elementMessages(NFT_MSG.delElement, 0, 'delete', table, set, keys);
}

export function elementMessages(
  type: number,
  flags: number,
  verb: string,
  table: Table,
  set: string,
  elements: readonly Element[],
): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  let some: { readonly bytes: Buffer; readonly text: string }[] = [];
  let size = 0;
  const flush = () => {
    if (some.length === 0) return;
    const names = some.slice(0, MOST_NAMED).map((each) => each.text);
    if (some.length > MOST_NAMED) names.push(`… ${some.length - MOST_NAMED} more`);
    messages.push(
      nftables(
        type,
        table.family,
        flags,
        `${verb} element ${named(table)} ${set} { ${names.join(', ')} }`,
        ...inSet(table, set),
        nested(NFTA.elements.list, ...some.map(({ bytes }) => bytes)),
      ),
    );
    some = [];
    size = 0;
  };
  for (const { key, keyEnd, data, verdict, text: line } of elements) {
    const bytes = nested(
      NFTA.listElement,
      nested(NFTA.element.key, attribute(NFTA.dataValue, key)),
      ...(keyEnd === undefined
        ? []
        : [nested(NFTA.element.keyEnd, attribute(NFTA.dataValue, keyEnd))]),
      ...(data === undefined ? [] : [nested(NFTA.element.data, attribute(NFTA.dataValue, data))]),
      ...(verdict === undefined ? [] : [nested(NFTA.element.data, verdict)]),
    );
    if (size + bytes.length > MOST_BYTES) flush();
    some.push({ bytes, text: line });
    size += bytes.length;
  }
  flush();
  return messages;
}

export interface Rule {
  readonly chain: string;
  readonly parts: readonly RulePart[];
  /** Before all rules of the chain. */
  readonly first?: boolean;
  /** nft(8) shows it. ASCII, at most 128 characters. */
  readonly comment?: string;
  /** Of the rules that it is one of; nft(8) does not show it. */
  readonly version?: Uint8Array;
}

export function addRule(
  table: Table,
  { chain, parts, first = false, comment, version }: Rule,
): NetlinkMessage {
  const words = parts.map((part) => part.text).filter((part) => part !== '');
  if (comment !== undefined) words.push(`comment "${comment}"`);
  return nftables(
    NFT_MSG.newRule,
    table.family,
    NLM_F.create | (first ? 0 : NLM_F.append),
    `${first ? 'insert' : 'add'} rule ${named(table)} ${chain} ${words.join(' ')}`,
    ...inChain(table, chain),
    nested(
      NFTA.rule.expressions,
      ...parts.flatMap((part) => part.expressions.map((bytes) => nested(NFTA.listElement, bytes))),
    ),
    ...(comment === undefined && version === undefined
      ? []
      : [
          attribute(
            NFTA.rule.userdata,
            ...(comment === undefined ? [] : [userdata(UDATA.ruleComment, text(comment))]),
            ...(version === undefined ? [] : [userdata(UDATA_VERSION, version)]),
          ),
        ]),
  );
}

function userdata(type: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(type, value.length), value]);
}

/** @throws at the kernel ENOENT */
export function deleteRule(table: Table, chain: string, handle: bigint): NetlinkMessage {
  return nftables(
    NFT_MSG.delRule,
    table.family,
    0,
    `delete rule ${named(table)} ${chain} handle ${handle}`,
    ...inChain(table, chain),
    attribute(NFTA.rule.handle, be64(handle)),
  );
}

/** The number that each change of any table increases. */
export const GET_GENERATION: NetlinkMessage = {
  type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG.getGeneration,
  body: Buffer.alloc(4),
  text: 'the generation of the ruleset',
};

/** For a dump: all chains of all tables. */
export const GET_CHAINS: NetlinkMessage = {
  type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG.getChain,
  body: Buffer.alloc(4),
  text: 'list chains',
};

/** For a dump: the rules of a chain, or of the whole table. None if there is no such table. */
export function getRules(table: Table, chain?: string): NetlinkMessage {
  return nftables(
    NFT_MSG.getRule,
    table.family,
    0,
    `list ${chain === undefined ? 'table' : 'chain'} ${named(table)}${chain === undefined ? '' : ` ${chain}`}`,
    ...(chain === undefined
      ? [attribute(NFTA.rule.table, text(table.name))]
      : inChain(table, chain)),
  );
}

/** For a dump. @throws at the kernel ENOENT */
export function getElements(table: Table, set: string): NetlinkMessage {
  return nftables(
    NFT_MSG.getElement,
    table.family,
    0,
    `list set ${named(table)} ${set}`,
    ...inSet(table, set),
  );
}

/** All rules of a chain, which stays. @throws at the kernel ENOENT */
export function flushRules(table: Table, chain: string): NetlinkMessage {
  return nftables(
    NFT_MSG.delRule,
    table.family,
    0,
    `flush chain ${named(table)} ${chain}`,
    ...inChain(table, chain),
  );
}
