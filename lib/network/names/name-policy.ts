/**
 * What a container may look up and connect to by name: a part of its registration. The other side:
 * cpp/resolver/name_policy.h, which also describes the format.
 */
import { invalid, wholeNumber } from '../../base/check.js';

export interface NameRule {
  /** A rule that denies is for all protocols and ports, and prevails over those that allow. */
  readonly verdict: 'allow' | 'deny';
  /** In lower case; `*.example.org` is each name below example.org, and not example.org itself. */
  readonly name: string;
  /** Of IP. Default: 0, all. ICMP, 1, stands for that of IPv6, too. */
  readonly protocol?: number | undefined;
  /** The first and the last one. Default: all. */
  readonly ports?: readonly [first: number, last: number] | undefined;
}

export interface NamePolicy {
  /** Of names that no rule matches. */
  readonly default: 'allow' | 'deny';
  readonly rules: readonly NameRule[];
  /**
   * Sets of the table `inet caisson`, which are there already, and which the resolver alone fills: their keys are
   * `address . inet_proto . inet_service`, with intervals and time-outs. Without one, the addresses of that family are left
   * out of answers.
   */
  readonly sets: {
    /** Of addresses that other name servers have answered. */
    readonly ipv4?: string | undefined;
    readonly ipv6?: string | undefined;
    /** Of addresses of containers on common networks. */
    readonly peersIpv4?: string | undefined;
    readonly peersIpv6?: string | undefined;
  };
}

const MAX_RULES = 512;
/** As cpp/resolver/name_policy.h has it: how many elements of a set one address needs. */
const MAX_DOORS = 128;
const MAX_CUTS = 2 * MAX_DOORS + 2;
const MAX_NAME = 253;
const MAX_SET_NAME = 64;
const LAST_PORT = 65_535;
const ICMP = 1;
const ICMP_V6 = 58;
const VERDICTS = { deny: 0, allow: 1 } as const;

/** @throws ERR_INVALID_OPTION */
export function policyBytes({ default: others, rules, sets }: NamePolicy): Buffer {
  if (rules.length > MAX_RULES)
    throw invalid(
      'allow',
      rules.length,
      `rules with names are too many: the limit is ${MAX_RULES}`,
    );
  const head = Buffer.alloc(2);
  head.writeUInt16LE(rules.length);
  const bytes = Buffer.concat([
    Buffer.of(VERDICTS[others]),
    ...[sets.ipv4, sets.ipv6, sets.peersIpv4, sets.peersIpv6].map(setBytes),
    head,
    ...rules.map(ruleBytes),
  ]);
  for (const icmp of [ICMP, ICMP_V6])
    if (doorsOf(rules, icmp) > MAX_DOORS)
      throw invalid(
        'allow',
        rules.length,
        'rules with names divide the ports into too many ranges',
        `give them at most about ${MAX_DOORS / 2} different ports and ranges`,
      );
  return bytes;
}

function setBytes(name = ''): Buffer {
  if (!/^[a-z0-9-]*$/.test(name) || name.length > MAX_SET_NAME)
    throw invalid('network', name, 'is not the name of a set');
  return Buffer.concat([Buffer.of(name.length), Buffer.from(name, 'latin1')]);
}

function ruleBytes({ verdict, name, protocol = 0, ports = [0, LAST_PORT] }: NameRule): Buffer {
  const domain = name.startsWith('*.') ? name.slice(2) : name;
  if (!/^[!-)+-@[-~]+$/.test(domain) || domain.length > MAX_NAME)
    throw invalid(verdict, name, 'is not a name that can be resolved');
  const [first, last] = ports;
  if (verdict === 'deny' && (protocol !== 0 || first !== 0 || last !== LAST_PORT))
    throw invalid('deny', name, 'has a port or a protocol: a name is denied as a whole');
  const head = Buffer.alloc(7);
  head.writeUInt8(VERDICTS[verdict], 0);
  head.writeUInt8(wholeNumber(verdict, protocol, 0, 255), 1);
  head.writeUInt16LE(wholeNumber(verdict, first, 0, LAST_PORT), 2);
  head.writeUInt16LE(wholeNumber(verdict, last, first, LAST_PORT), 4);
  head.writeUInt8(name.length, 6);
  return Buffer.concat([head, Buffer.from(name, 'latin1')]);
}

/** NamePolicy::collect: the rules cut the protocols into ranges, and the ports of each of these. */
function doorsOf(rules: readonly NameRule[], icmp: number): number {
  const allowed = rules
    .filter(({ verdict }) => verdict === 'allow')
    .map(({ protocol = 0, ports: [first, last] = [0, LAST_PORT] }) => ({
      protocol: protocol === ICMP ? icmp : protocol,
      first,
      last,
    }));
  const starts = new Set([0]);
  for (const { protocol } of allowed)
    if (protocol !== 0) [protocol, protocol + 1].forEach((cut) => cut < 256 && starts.add(cut));
  let count = 0;
  for (const start of starts) {
    const concerned = allowed.filter(({ protocol }) => protocol === 0 || protocol === start);
    const cuts = new Set(concerned.flatMap(({ first, last }) => [first, last + 1]));
    // More cuts than there may be ranges: too many anyway.
    if (cuts.size > MAX_CUTS) return Infinity;
    for (const cut of cuts)
      if (concerned.some(({ first, last }) => first <= cut && cut <= last)) count++;
  }
  // The cuts of the protocols have the same limit.
  return starts.size >= MAX_CUTS ? Infinity : count;
}
