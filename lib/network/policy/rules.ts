/** The rules of a policy for outgoing connections, checked: docs/network-policy.md has the grammar. */
import { invalid, isRecord, stringList } from '../../base/check.js';
import { isIPv6 } from 'node:net';
import { type Address, blockAround, bitsOf, type Family, lastOf, parseAddress, parseBlock } from '../../base/cidr.js'; // prettier-ignore

/** What a container may connect to. A rule that is malformed is ERR_INVALID_OPTION. */
export interface PolicyOptions {
  /**
   * What the container may connect to: `NAME`, `*.NAME` (names below it), `ADDRESS`, `CIDR` or `[IPV6]`, then optionally `:PORT` or
   * `:FROM-TO` (TCP and UDP), then optionally `/tcp`, `/udp`, `/sctp` or `/icmp`. Such as `example.org:443`, `10.0.0.0/8:5432/tcp`.
   */
  readonly allow?: readonly string[] | undefined;
  /** What it may not connect to, also where `allow` has it: the same grammar. */
  readonly deny?: readonly string[] | undefined;
  /** What becomes of everything else. Default: `allow` if there is only `deny`, otherwise `deny`. */
  readonly default?: 'allow' | 'deny' | undefined;
}

export type Verdict = 'allow' | 'deny';

/** Of one protocol, or all: numbers of /etc/protocols; undefined: all. */
interface Service {
  readonly protocol: number | undefined;
  /** The first and the last one; undefined: all. */
  readonly ports: readonly [first: number, last: number] | undefined;
}

export interface NameRule extends Service {
  /** Lower case, without a dot at its end. */
  readonly name: string;
  /** Names below it, and not the name itself. */
  readonly below: boolean;
}

export interface AddressRule extends Service {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

export interface VerdictRules {
  readonly names: readonly NameRule[];
  readonly addresses: readonly AddressRule[];
}

/** A rule of several protocols is several rules here. */
export interface NetworkPolicy extends Readonly<Record<Verdict, VerdictRules>> {
  readonly default: Verdict;
}

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132, icmp: 1 } as const;
const ICMPV6 = 58;
const WITH_PORTS = [PROTOCOLS.tcp, PROTOCOLS.udp] as const;

/** As many as make sense to write; each is looked at for every connection. */
const MOST_RULES = 256;

/** @throws ERR_INVALID_OPTION */
export function normalizePolicy(options: PolicyOptions): NetworkPolicy {
  if (!isRecord(options)) throw invalid('network', options, 'is not an object');
  const { allow, deny, default: otherwise = allow === undefined && deny !== undefined ? 'allow' : 'deny' } = options; // prettier-ignore
  if (otherwise !== 'allow' && otherwise !== 'deny')
    throw invalid('network.default', otherwise, 'is neither "allow" nor "deny"');
  return {
    default: otherwise,
    deny: rulesOf('network.deny', deny),
    allow: rulesOf('network.allow', allow),
  };
}

function rulesOf(option: string, texts: readonly string[] | undefined): VerdictRules {
  if (texts === undefined) return { names: [], addresses: [] };
  const list = stringList(option, texts);
  if (list.length > MOST_RULES)
    throw invalid(option, list.length, `are too many rules: the limit is ${MOST_RULES}`);
  const rules = list.flatMap((text) => {
    const parsed = parseRule(option, text);
    // The resolver refuses the name, and does not know what it is asked for.
    const isPart = parsed.some((rule) => 'name' in rule && (rule.ports ?? rule.protocol) !== undefined); // prettier-ignore
    if (option === 'network.deny' && isPart)
      throw invalid(option, text, 'has a port or a protocol: a name is denied as a whole');
    return parsed;
  });
  return {
    names: rules.filter((rule) => 'name' in rule),
    addresses: rules.filter((rule) => 'family' in rule),
  };
}

const GRAMMAR =
  'NAME, *.NAME, ADDRESS, CIDR or [IPV6], then :PORT or :FROM-TO, then /tcp, /udp, /sctp or /icmp, such as ' +
  'example.org:443 or 10.0.0.0/8:5432/tcp';

/** @throws ERR_INVALID_OPTION */
export function parseRule(option: string, text: string): (NameRule | AddressRule)[] {
  const [, before = '', word] = /^(.*?)(?:\/(tcp|udp|sctp|icmp))?$/is.exec(text) ?? [];
  const protocol = word?.toLowerCase() as keyof typeof PROTOCOLS | undefined;
  const { target, ports } = splitPorts(option, text, before);
  if (protocol === 'icmp' && ports !== undefined)
    throw invalid(option, text, 'has a port, and ICMP has none', GRAMMAR);
  const block = readBlock(option, text, target);
  if (block !== undefined) {
    const icmp = block.family === 6 ? ICMPV6 : PROTOCOLS.icmp;
    return services(ports, protocol, [icmp]).map((service) => ({ ...block, ...service }));
  }
  const name = readName(option, text, target);
  return services(ports, protocol, [PROTOCOLS.icmp, ICMPV6]).map((service) => ({
    ...name,
    ...service,
  }));
}

function services(
  ports: Service['ports'],
  protocol: keyof typeof PROTOCOLS | undefined,
  icmp: readonly number[],
): Service[] {
  if (protocol === 'icmp') return icmp.map((number) => ({ protocol: number, ports }));
  if (protocol !== undefined) return [{ protocol: PROTOCOLS[protocol], ports }];
  if (ports === undefined) return [{ protocol: undefined, ports }];
  return WITH_PORTS.map((number) => ({ protocol: number, ports }));
}

/** The colons of an address of IPv6 in brackets, or without a port, are its own. */
function splitPorts(option: string, text: string, before: string) {
  const brackets = /^\[([^\]]*)\](?::(.*))?$/s.exec(before);
  if (brackets !== null) {
    const [, inside = '', range] = brackets;
    const [address = ''] = inside.split('/');
    if (!isIPv6(address))
      throw invalid(option, text, 'has no IPv6 address in its brackets', GRAMMAR);
    return { target: inside, ports: readPorts(option, text, range) };
  }
  const colons = before.split(':').length - 1;
  if (colons !== 1) return { target: before, ports: undefined };
  const [target = '', range] = before.split(':');
  return { target, ports: readPorts(option, text, range) };
}

function readPorts(option: string, text: string, range: string | undefined): Service['ports'] {
  if (range === undefined) return undefined;
  const [, from, to] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range) ?? [];
  const first = Number(from);
  const last = Number(to ?? from);
  if (from === undefined || first < 1 || last > 65_535)
    throw invalid(option, text, 'has no port from 1 to 65535 behind its colon', GRAMMAR);
  if (first > last) throw invalid(option, text, 'has a range of ports that ends before it begins');
  return [first, last];
}

/** Undefined: it is none. */
function readBlock(option: string, text: string, target: string) {
  if (target.includes('/')) {
    const block = parseBlock(option, target);
    return range({ family: block.family, value: block.first }, block.prefix);
  }
  // What can only be meant as an address has to be one.
  const looksLikeOne = target.includes(':') || /(?:^|\.)\d+$/.test(target);
  if (!looksLikeOne) return undefined;
  try {
    const address = parseAddress(option, target);
    return range(address, bitsOf(address.family));
  } catch {
    throw invalid(option, text, 'has no IPv4 or IPv6 address where it looks like one', GRAMMAR);
  }
}

function range(address: Address, prefix: number) {
  const block = blockAround(address, prefix);
  return { family: block.family, first: block.first, last: lastOf(block).value };
}

/** RFC 1035, section 2.3.4, as text; underscores as in names of services (RFC 2782). */
const MAX_NAME = 253;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

function readName(option: string, text: string, target: string) {
  const [, star, rest = ''] = /^(\*\.)?(.*?)\.?$/s.exec(target.toLowerCase()) ?? [];
  if (target === '*')
    throw invalid(
      option,
      text,
      'names everything',
      'to allow what no rule denies: default "allow"',
    );
  if (rest.length > MAX_NAME || !rest.split('.').every((label) => LABEL.test(label)))
    throw invalid(option, text, 'is not a rule', GRAMMAR);
  return { name: rest, below: star !== undefined };
}
