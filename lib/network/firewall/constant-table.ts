/** A table whose rules are constant: they belong to this version of the program, and only the elements of its sets come and go. */
import { createHash } from 'node:crypto';
import type { NetlinkMessage } from '../netlink/message.js';
import { addPlainChain } from './nft-chains.js';
import type { RulePart } from './nft-expressions.js';
import type { ListedRule } from './nft-listing.js';
import {
  addChain,
  addRule,
  addSet,
  addTable,
  type Chain,
  flushRules,
  type NamedSet,
  type Table,
} from './nft-messages.js';

export interface TableOptions {
  /**
   * By a supervisor (lib/network/bridge/repair-file.ts), which knows nothing of other containers: the rules do not count as current, so that they
   * are made once more, and all that belongs to them.
   */
  readonly incomplete?: boolean;
  /** The id of its first set, in a batch with other sets. */
  readonly firstSet?: number;
}

export interface ConstantTable {
  readonly chains: readonly string[];
  /** The table, if it is missing, and the rules of this version instead of those that it has; its elements stay. */
  readonly messages: (options?: TableOptions) => NetlinkMessage[];
  /** Whether these, of all its constant chains, are the rules of this version, all and no others. */
  readonly areCurrent: (rules: readonly ListedRule[]) => boolean;
}

export function constantTable<BaseName extends string, PlainName extends string>(
  table: Table,
  sets: Readonly<Record<string, NamedSet>>,
  baseChains: readonly (Chain & { readonly name: BaseName })[],
  plainChains: readonly PlainName[],
  rules: Readonly<Record<BaseName | PlainName, readonly (readonly RulePart[])[]>>,
): ConstantTable {
  const chains = [...baseChains.map(({ name }) => name), ...plainChains];
  const list = chains.flatMap((chain) => rules[chain].map((parts) => ({ chain, parts })));
  // All rules have it, so that others, and missing ones, can be told from them.
  const version = createHash('sha256')
    .update(JSON.stringify([sets, baseChains, plainChains]))
    .update(list.map((rule) => addRule(table, rule).text).join())
    .digest()
    .subarray(0, 8);
  return {
    chains,
    messages: ({ incomplete = false, firstSet = 1 } = {}) => [
      addTable(table),
      ...Object.values(sets).map((set, at) => addSet(table, set, firstSet + at)),
      ...baseChains.map((chain) => addChain(table, chain)),
      ...plainChains.map((chain) => addPlainChain(table, chain)),
      ...chains.map((chain) => flushRules(table, chain)),
      ...list.map((rule) => addRule(table, incomplete ? rule : { ...rule, version })),
    ],
    areCurrent: (listed) =>
      listed.length === list.length && listed.every((rule) => rule.version?.equals(version)),
  };
}
