/** From the rules of a policy to what the resolver is told of it. */
import { policySets } from '../policy/policy-requests.js';
import type { NetworkPolicy, Verdict } from '../policy/rules.js';
import type { NamePolicy, NameRule } from './name-policy.js';

/** @param shortId 12 digits, of the container */
export function namePolicyOf(shortId: string, policy: NetworkPolicy): NamePolicy {
  const [ipv4, ipv6] = [policySets(shortId, 'ipv4'), policySets(shortId, 'ipv6')];
  const rulesOf = (verdict: Verdict): NameRule[] =>
    policy[verdict].names.map(({ name, below, protocol, ports }) => ({
      verdict,
      name: below ? `*.${name}` : name,
      protocol,
      ports,
    }));
  return {
    default: policy.default,
    // Those of ICMPv6 follow from those of ICMP.
    rules: [...rulesOf('deny'), ...rulesOf('allow')].filter(({ protocol }) => protocol !== ICMPV6),
    // Without names that are allowed there are no such sets (policy-requests.ts).
    sets:
      policy.allow.names.length === 0
        ? {}
        : {
            ipv4: ipv4.names.name,
            ipv6: ipv6.names.name,
            peersIpv4: ipv4.peers.name,
            peersIpv6: ipv6.peers.name,
          },
  };
}

const ICMPV6 = 58;
