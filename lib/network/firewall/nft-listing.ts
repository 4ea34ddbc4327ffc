/** What nf_tables has, of dumps. */
import { CaissonError } from '../../base/errors.js';
import {
  decodeAttributes,
  type DecodedMessage,
  encodeRequest,
  NETLINK,
} from '../netlink/message.js';
import { askNetlink, dumpNetlink, type NetlinkOptions } from '../netlink/request.js';
import {
  GET_CHAINS,
  GET_GENERATION,
  getElements,
  getRules,
  HOOK,
  NFPROTO,
  NFTA,
  type Table,
  UDATA,
  UDATA_VERSION,
} from './nft-messages.js';

export interface ListedChain {
  /** Undefined of families that are not forwarded, such as `bridge`. */
  readonly family: Table['family'] | undefined;
  readonly table: string;
  readonly name: string;
  /** Whether packets come here that are forwarded. */
  readonly forwards: boolean;
  /** Whether packets that no rule speaks of are dropped. */
  readonly drops: boolean;
}

export interface ListedRule {
  readonly handle: bigint;
  readonly comment: string | undefined;
  /** As `addRule` was given it. */
  readonly version: Buffer | undefined;
}

const ATTRIBUTES = 4;
const NF_DROP = 0;

export const ASK_GENERATION = encodeRequest(NETLINK.netfilter, [GET_GENERATION]);

/** Of this moment: all tables are what they were as long as it is the same. */
export async function generation(options: NetlinkOptions): Promise<number> {
  const [answer] = await askNetlink(ASK_GENERATION, options);
  const id = answer && decodeAttributes(answer.body.subarray(ATTRIBUTES)).get(NFTA.generationId);
  if (id === undefined) throw new Error('nf_tables does not tell its generation');
  return id.readUInt32BE(0);
}

/** Of all tables. */
export async function listChains(options: NetlinkOptions): Promise<ListedChain[]> {
  return (await dumpNetlink(NETLINK.netfilter, GET_CHAINS, options)).map(({ body }) => {
    const attributes = decodeAttributes(body.subarray(ATTRIBUTES));
    const hook = attributes.get(NFTA.chain.hook);
    const number = hook && decodeAttributes(hook).get(NFTA.hook.number)?.readUInt32BE(0);
    return {
      family: FAMILIES.find((family) => NFPROTO[family] === body[0]),
      table: textOf(attributes.get(NFTA.chain.table)),
      name: textOf(attributes.get(NFTA.chain.name)),
      forwards: number === HOOK.forward,
      drops: attributes.get(NFTA.chain.policy)?.readUInt32BE(0) === NF_DROP,
    };
  });
}

const FAMILIES = Object.keys(NFPROTO) as readonly Table['family'][];

/** None if there is no such table or chain. */
export async function listRules(
  options: NetlinkOptions,
  table: Table,
  chain?: string,
): Promise<ListedRule[]> {
  return (await dumpIfThere(options, getRules(table, chain))).map(({ body }) => {
    const attributes = decodeAttributes(body.subarray(ATTRIBUTES));
    const userdata = decodeUserdata(attributes.get(NFTA.rule.userdata) ?? Buffer.alloc(0));
    const comment = userdata.get(UDATA.ruleComment);
    return {
      handle: attributes.get(NFTA.rule.handle)?.readBigUInt64BE(0) ?? 0n,
      comment: comment && textOf(comment),
      version: userdata.get(UDATA_VERSION),
    };
  });
}

export interface ListedElement {
  readonly key: Buffer;
  /** Of a map. */
  readonly data: Buffer | undefined;
  /** Of a map of verdicts: where it sends packets. */
  readonly chain: string | undefined;
  /** Of its counter, if it has one. */
  readonly packets: bigint;
  /** Milliseconds that are left of its time, if it has one. */
  readonly left: bigint;
}

/** None if there is no such set. */
export async function listElements(
  options: NetlinkOptions,
  table: Table,
  set: string,
): Promise<ListedElement[]> {
  return decodeElements(await dumpIfThere(options, getElements(table, set)));
}

/** Of the answers to `getElements`. */
export function decodeElements(messages: readonly DecodedMessage[]): ListedElement[] {
  return messages.flatMap(({ body }) => {
    const list = decodeAttributes(body.subarray(ATTRIBUTES)).get(NFTA.elements.list);
    return attributesOf(list ?? Buffer.alloc(0)).flatMap((element) => {
      const attributes = decodeAttributes(element);
      const key = valueOf(attributes.get(NFTA.element.key));
      const data = attributes.get(NFTA.element.data);
      if (key === undefined) return [];
      return [
        {
          key,
          data: valueOf(data),
          chain: data && chainOf(data),
          packets: countOf(attributes.get(NFTA.element.expression)),
          left: attributes.get(NFTA.element.expiration)?.readBigUInt64BE(0) ?? 0n,
        },
      ];
    });
  });
}

function chainOf(data: Buffer): string | undefined {
  const verdict = decodeAttributes(data).get(NFTA.dataVerdict);
  const chain = verdict && decodeAttributes(verdict).get(NFTA.verdict.chain);
  return chain && textOf(chain);
}

function countOf(expression: Buffer | undefined): bigint {
  const data = expression && decodeAttributes(expression).get(NFTA.expressionData);
  return (data && decodeAttributes(data).get(NFTA.counter.packets)?.readBigUInt64BE(0)) ?? 0n;
}

function valueOf(data: Buffer | undefined): Buffer | undefined {
  return data && decodeAttributes(data).get(NFTA.dataValue);
}

async function dumpIfThere(
  options: NetlinkOptions,
  message: Parameters<typeof dumpNetlink>[1],
): Promise<DecodedMessage[]> {
  return ifThere(dumpNetlink(NETLINK.netfilter, message, options));
}

async function ifThere(answers: Promise<DecodedMessage[]>): Promise<DecodedMessage[]> {
  try {
    return await answers;
  } catch (error) {
    if (error instanceof CaissonError && error.errno === 'ENOENT') return [];
    throw error;
  }
}

/** Of attributes that are all of one type. */
function attributesOf(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + ATTRIBUTES <= bytes.length;) {
    const size = bytes.readUInt16LE(at);
    if (size < ATTRIBUTES || at + size > bytes.length) break;
    found.push(bytes.subarray(at + ATTRIBUTES, at + size));
    at += (size + 3) & ~3;
  }
  return found;
}

/** By type: one byte each for the type and the length. */
function decodeUserdata(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 2 <= bytes.length;) {
    const end = at + 2 + (bytes[at + 1] ?? 0);
    if (end > bytes.length) break;
    found.set(bytes[at] ?? 0, bytes.subarray(at + 2, end));
    at = end;
  }
  return found;
}

function textOf(bytes: Buffer | undefined): string {
  return bytes?.toString('latin1').replace(/\0.*$/s, '') ?? '';
}
