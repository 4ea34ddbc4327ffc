/**
 * A container's policy in the firewall's table: a chain that its packets are sent to by their source (`restricted4`, `restricted6`),
 * and the sets that the chain asks. docs/network-policy.md describes it.
 */
import { isIPv6 } from 'node:net';
import { addressBytes } from '../../base/ip-address.js';
import type { EncodedRequest, NetlinkMessage } from '../netlink/message.js';
import {
  destinationAddress,
  FIELD,
  type Field,
  interfaceName,
  type IpFamily,
  isFamily,
  isInSet,
  isProtocol,
  isRoutedTo,
  counter,
  type RulePart,
  verdict,
} from '../firewall/nft-expressions.js';
import { addPlainChain, deleteChain, deleteSet } from '../firewall/nft-chains.js';
import {
  addElements,
  addRule,
  addSet,
  batch,
  concatenation,
  deleteElements,
  flushElements,
  type Element,
  flushRules,
  type NamedSet,
} from '../firewall/nft-messages.js';
import { countInSet, toChain, verdictData } from '../firewall/nft-verdicts.js';
import { POLICY_CHAIN, SET, TABLE } from '../firewall/ruleset.js';
import { elementsOf } from './boxes.js';
import type { AddressRule, NetworkPolicy, VerdictRules } from './rules.js';

/** Where packets of a container come from. */
export interface RestrictedSource {
  /** Name of the bridge. */
  readonly bridge: string;
  readonly address: string;
}

/** The container with a policy. */
export interface Restricted {
  /** 12 digits. */
  readonly shortId: string;
  /** All that it may use. Without one of IPv6 its policy is about IPv4 only: frames of another kind do not leave it. */
  readonly sources: readonly RestrictedSource[];
}

/** How many destinations of a family are counted one by one; connections to more of them are refused as well. */
export const MOST_COUNTED = 1024;

/** Milliseconds, 1,000 days: longer than a container runs. The time that an element has left tells when it was added. */
export const COUNTED_FOR = 1000n * 24n * 3600n * 1000n;

const FAMILIES = ['ipv4', 'ipv6'] as const;
const NUMBERS = { ipv4: 4, ipv6: 6 } as const;
const RESTRICTED = { ipv4: SET.restricted4.name, ipv6: SET.restricted6.name } as const;

const chainOf = ({ shortId }: Restricted) => `policy-${shortId}`;

/** Undefined: it is no chain of a policy. */
export function shortIdOf(chain: string): string | undefined {
  return /^policy-([0-9a-f]+)$/.exec(chain)?.[1];
}

interface PolicySets {
  /** Addresses of rules. */
  readonly allow: NamedSet;
  readonly deny: NamedSet;
  /** Addresses of names, which the resolver adds: those that other name servers have answered, and those of containers. */
  readonly names: NamedSet;
  readonly peers: NamedSet;
  /** What was refused. */
  readonly denied: NamedSet;
}

/** @param shortId 12 digits, of the container */
export function policySets(shortId: string, family: IpFamily): PolicySets {
  const key = [`${family}_addr`, 'inet_proto', 'inet_service'] as const;
  const name = (kind: string) => `${kind}${NUMBERS[family]}-${shortId}`;
  const ranges = { key, ranges: true } as const;
  return {
    allow: { name: name('allow'), ...ranges },
    deny: { name: name('deny'), ...ranges },
    names: { name: name('names'), ...ranges, timeout: 'elements' },
    peers: { name: name('peers'), ...ranges, timeout: 'elements' },
    denied: {
      name: name('denied'),
      key,
      timeout: { packets: COUNTED_FOR },
      dynamic: MOST_COUNTED,
    },
  };
}

/** Those that its policy is about. */
export function familiesOf({ sources }: Restricted): readonly IpFamily[] {
  return sources.some(({ address }) => isIPv6(address)) ? FAMILIES : ['ipv4'];
}

/** The resolver adds addresses of both families, whatever the container has. */
function setsOfNames(shortId: string): NamedSet[] {
  return FAMILIES.flatMap((family) => {
    const { names, peers } = policySets(shortId, family);
    return [names, peers];
  });
}

/** Of both families: it may have had addresses of both. */
function allSets({ shortId }: Restricted): NamedSet[] {
  return FAMILIES.flatMap((family) => Object.values<NamedSet>({ ...policySets(shortId, family) }));
}

/** Those that the rules of this policy ask: each that is made takes time at a start. */
function usedSets(container: Restricted, { allow, deny }: NetworkPolicy): NamedSet[] {
  const has = ({ addresses }: VerdictRules, family: IpFamily) => hasFamily(addresses, family);
  const others = familiesOf(container).flatMap((family) => {
    const sets = policySets(container.shortId, family);
    return [
      sets.denied,
      ...(has(allow, family) ? [sets.allow] : []),
      ...(has(deny, family) ? [sets.deny] : []),
    ];
  });
  return [...others, ...(allow.names.length > 0 ? setsOfNames(container.shortId) : [])];
}

function hasFamily(rules: readonly AddressRule[], family: IpFamily): boolean {
  return rules.some((rule) => rule.family === NUMBERS[family]);
}

/**
 * The table has to be there, and no other container may have the addresses.
 *
 * @throws at the kernel EEXIST or EBUSY if one of the addresses has another policy
 */
export function policyRequest(container: Restricted, policy: NetworkPolicy): EncodedRequest {
  return batch([
    ...usedSets(container, policy).map((set, at) => addSet(TABLE, set, at + 1)),
    ...contents(container, policy),
    addPlainChain(TABLE, chainOf(container)),
    ...rules(container, policy),
    ...sourceElements(container).flatMap(([set, elements]) => addElements(TABLE, set, elements)),
  ]);
}

/**
 * This policy instead of another one, of none, or of what others have left of it, at once for all packets. What was counted stays;
 * addresses of names do as well: the resolver removes them. The table has to be there.
 *
 * @param gone sources that it had
 * @throws at the kernel as `policyRequest`
 */
export function changeMessages(
  container: Restricted,
  policy: NetworkPolicy,
  gone: readonly RestrictedSource[] = [],
): NetlinkMessage[] {
  const changed = FAMILIES.flatMap((family) => {
    const { allow, deny } = policySets(container.shortId, family);
    return [allow, deny];
  });
  return [
    ...allSets(container).map((set, at) => addSet(TABLE, set, at + 1)),
    ...changed.map(({ name }) => flushElements(TABLE, name)),
    ...contents(container, policy),
    addPlainChain(TABLE, chainOf(container)),
    flushRules(TABLE, chainOf(container)),
    ...rules(container, policy),
    ...removedSources({ ...container, sources: gone }),
    ...sourceElements(container).flatMap(([set, elements]) => addElements(TABLE, set, elements)),
  ];
}

export function changeRequest(...change: Parameters<typeof changeMessages>): EncodedRequest {
  return batch(changeMessages(...change));
}

/**
 * The counterpart of `policyRequest`. What is missing is added first, as one missing part would keep the others.
 *
 * @throws at the kernel ENOENT if the table is missing, EBUSY or EEXIST as `policyRequest`
 */
export function removePolicyMessages(container: Restricted): NetlinkMessage[] {
  const sets = allSets(container);
  const chain = chainOf(container);
  return [
    addPlainChain(TABLE, chain),
    ...removedSources(container),
    deleteChain(TABLE, chain),
    ...sets.map((set, at) => addSet(TABLE, set, at + 1)),
    ...sets.map(({ name }) => deleteSet(TABLE, name)),
  ];
}

export function removePolicyRequest(container: Restricted): EncodedRequest {
  return batch(removePolicyMessages(container));
}

/** Those that are missing are added first. The chain has to be there. */
function removedSources(container: Restricted): NetlinkMessage[] {
  const elements = sourceElements(container);
  return [
    ...elements.flatMap(([set, each]) => addElements(TABLE, set, each)),
    ...elements.flatMap(([set, each]) => deleteElements(TABLE, set, each)),
  ];
}

/** All elements, of sets that are there. */
function contents(container: Restricted, { allow, deny }: NetworkPolicy): NetlinkMessage[] {
  return familiesOf(container).flatMap((family) => {
    const sets = policySets(container.shortId, family);
    return [
      ...addElements(TABLE, sets.allow.name, elementsOf(allow.addresses, NUMBERS[family])),
      ...addElements(TABLE, sets.deny.name, elementsOf(deny.addresses, NUMBERS[family])),
    ];
  });
}

/** The chain: to accept is to allow, and what is left at its end is refused. */
function rules(container: Restricted, policy: NetworkPolicy): NetlinkMessage[] {
  const { shortId } = container;
  const families = familiesOf(container);
  const bridges = [...new Set(container.sources.map(({ bridge }) => bridge))];
  const parts: (readonly RulePart[])[] = [[toChain('jump', POLICY_CHAIN.noConnection)]];
  for (const family of families) {
    const sets = policySets(shortId, family);
    const asked = askedOf(family);
    const { allow, deny } = policy;
    const notDenied = hasFamily(deny.addresses, family)
      ? [isInSet(asked, sets.deny.name, false)]
      : [];
    const mayBeAllowed = (how: RulePart[]) => parts.push([isFamily(family), ...notDenied, ...how]);
    if (hasFamily(allow.addresses, family))
      mayBeAllowed([isInSet(asked, sets.allow.name), verdict('accept')]);
    if (allow.names.length > 0) mayBeAllowed([isInSet(asked, sets.peers.name), verdict('accept')]);
    // Whatever a name server answers, what is special is not opened by it.
    const ordinary = [
      ...bridges.map((bridge) => isRoutedTo(bridge, false)),
      toChain('jump', POLICY_CHAIN.allowOrdinary),
    ];
    if (policy.default === 'allow') mayBeAllowed(ordinary);
    else if (allow.names.length > 0) mayBeAllowed([isInSet(asked, sets.names.name), ...ordinary]);
  }
  for (const family of families) {
    const { name } = policySets(shortId, family).denied;
    const icmp = isProtocol(family === 'ipv4' ? 'icmp' : 'ipv6-icmp');
    const refuse = toChain('goto', POLICY_CHAIN.refuse);
    parts.push(
      [isFamily(family), icmp, countInSet(askedOf(family, FIELD.sourcePort), name), refuse],
      [isFamily(family), countInSet(askedOf(family), name), refuse],
    );
  }
  // The set is full.
  parts.push([counter(), toChain('goto', POLICY_CHAIN.refuse)]);
  return parts.map((each) => addRule(TABLE, { chain: chainOf(container), parts: each }));
}

/** The key of all sets of a policy. Only of protocols that have ports do rules name any. */
function askedOf(family: IpFamily, port: Field = FIELD.destinationPort): Field[] {
  return [destinationAddress(family), FIELD.l4proto, port];
}

function sourceElements(
  container: Restricted,
): readonly (readonly [set: string, elements: readonly Element[]])[] {
  const chain = chainOf(container);
  return familiesOf(container).map((family) => [
    RESTRICTED[family],
    container.sources
      .filter(({ address }) => isIPv6(address) === (family === 'ipv6'))
      .map(({ bridge, address }) => ({
        key: concatenation(interfaceName(bridge), addressBytes(address)),
        verdict: verdictData('jump', chain),
        text: `"${bridge}" . ${address} : jump ${chain}`,
      })),
  ]);
}
