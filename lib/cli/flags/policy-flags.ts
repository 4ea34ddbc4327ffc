/** The policy for outgoing connections: of `run` and `create`, and `network policy`. */
import { type PolicyOptions, parseRule } from '../../network/policy/rules.js';
import type { CommandSpec, Flag } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';
import type { ValueCheck } from '../args/flag-values.js';

const rule =
  (flag: string): ValueCheck =>
  (text) => {
    parseRule(flag, text);
    return undefined;
  };

export const POLICY_FLAGS: readonly Flag[] = [
  {
    long: 'allow',
    value: 'rule',
    repeatable: true,
    check: rule('allow'),
    help: 'Connections that are not refused: NAME, *.NAME, ADDRESS or CIDR, [:PORT[-PORT]][/tcp|udp|sctp|icmp]',
  },
  {
    long: 'deny',
    value: 'rule',
    repeatable: true,
    check: rule('deny'),
    help: 'Connections that are refused, also where --allow has them',
  },
  {
    long: 'network-default',
    value: 'verdict',
    completes: ['allow', 'deny'],
    check: (text) => (text === 'allow' || text === 'deny' ? undefined : 'neither allow nor deny'),
    help: 'What becomes of all others (default allow with --deny alone, otherwise deny)',
  },
];

/** Undefined: none of the flags was given. */
export function policyOf(
  values: (flag: string) => readonly string[] | undefined,
): PolicyOptions | undefined {
  const allow = values('allow');
  const deny = values('deny');
  const otherwise = values('network-default')?.at(-1);
  if (allow === undefined && deny === undefined && otherwise === undefined) return undefined;
  return {
    ...(allow === undefined ? {} : { allow }),
    ...(deny === undefined ? {} : { deny }),
    ...(otherwise === undefined ? {} : { default: otherwise as 'allow' | 'deny' }),
  };
}

export const NETWORK_POLICY: CommandSpec = {
  name: 'network policy',
  usage: '[OPTIONS] CONTAINER',
  description: 'Show what a container may connect to and what was refused, or change it',
  examples: [
    ['caisson network policy job', 'as JSON'],
    [
      `caisson network policy --allow '*.example.org:443' --allow 10.0.0.0/8 job`,
      'these rules in place of those that it has',
    ],
  ],
  argument: 'all',
  flags: [...POLICY_FLAGS, HELP_FLAG],
  args: [1, 1],
};
