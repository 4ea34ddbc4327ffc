/** `--restart`, `restart`: what happens when a container ends by itself. */
import { invalid, wholeNumber } from '../../base/check.js';

/**
 * When a container is started again: `on-failure` is after another exit code than 0. `always` and `unless-stopped`
 * differ when the machine has booted: the latter leaves a container alone that was stopped.
 */
export type RestartPolicyName = 'no' | 'on-failure' | 'always' | 'unless-stopped';

/** What happens when a container ends by itself. */
export interface RestartPolicy {
  /** Which policy. */
  readonly name: RestartPolicyName;
  /** With `on-failure`: how often; 0 is without end. */
  readonly maximumRetryCount: number;
}

export const RESTART_POLICY_NAMES: readonly RestartPolicyName[] = [
  'no',
  'on-failure',
  'always',
  'unless-stopped',
];
const MAX_RETRIES = 2 ** 31 - 1;

export const NO_RESTART: RestartPolicy = Object.freeze({ name: 'no', maximumRetryCount: 0 });

/** `no`, `on-failure[:n]`, `always`, `unless-stopped`, or the policy itself. Empty is `no`. */
export function parseRestartPolicy(
  option: string,
  value: string | RestartPolicy | undefined,
): RestartPolicy {
  if (value === undefined || value === '') return NO_RESTART;
  if (typeof value === 'string') {
    const colon = value.indexOf(':');
    const name = colon < 0 ? value : value.slice(0, colon);
    const retries = colon < 0 ? undefined : value.slice(colon + 1);
    if (name === '') throw invalid(option, value, 'names no policy before the colon');
    if (retries !== undefined && !/^[+-]?\d+$/.test(retries))
      throw invalid(option, value, 'has a maximum retry count that is not a whole number');
    return check(option, value, name, Number(retries ?? 0));
  }
  if (typeof value !== 'object' || value === null)
    throw invalid(option, value, 'is not a restart policy', hint());
  const { name, maximumRetryCount = 0 }: Partial<RestartPolicy> = value;
  return check(option, value, name, maximumRetryCount);
}

function hint(): string {
  return 'no, on-failure[:n], always or unless-stopped';
}

function check(option: string, given: unknown, name: unknown, retries: number): RestartPolicy {
  const known = RESTART_POLICY_NAMES.find((policy) => policy === name);
  if (known === undefined) throw invalid(option, given, 'is not a restart policy', hint());
  if (typeof retries === 'number' && retries < 0)
    throw invalid(option, given, 'has a maximum retry count that is negative');
  const maximumRetryCount = wholeNumber(option, retries, 0, MAX_RETRIES);
  if (known !== 'on-failure' && maximumRetryCount !== 0)
    throw invalid(option, given, `has a maximum retry count, which only on-failure can have`);
  return { name: known, maximumRetryCount };
}
