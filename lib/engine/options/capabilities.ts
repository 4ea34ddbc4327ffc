/** Docker's default set of capabilities, and what `capAdd` and `capDrop` make of it. */
import { CaissonError } from '../../base/errors.js';
import { CAPABILITIES } from '../../oci/capability-sets.js';
import { invalid, stringList } from '../../base/check.js';

/** Docker's default set (moby daemon/pkg/oci/caps/defaults.go). */
export const DEFAULT_CAPABILITIES: readonly string[] = Object.freeze([
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
]);

/** What a container can be given at all. */
export interface CapabilityLimits {
  /** The newest capability that the kernel knows: /proc/sys/kernel/cap_last_cap. */
  readonly lastCap?: number | undefined;
  /**
   * This process's own (CapPrm of /proc/self/status), for a container with the host's users. In a user
   * namespace of its own a container has all of them (user_namespaces(7)).
   */
  readonly permitted?: bigint | undefined;
}

function isAvailable(name: string, { lastCap, permitted }: CapabilityLimits): boolean {
  const number = CAPABILITIES.indexOf(name);
  if (lastCap !== undefined && number > lastCap) return false;
  return permitted === undefined || ((permitted >> BigInt(number)) & 1n) === 1n;
}

function parseNames(option: 'capAdd' | 'capDrop', value: readonly string[]): Set<string> {
  const names = new Set<string>();
  for (const given of stringList(option, value)) {
    const upper = given.toUpperCase();
    const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    if (name !== ALL && !CAPABILITIES.includes(name)) {
      throw invalid(option, given, 'is not a capability', 'capabilities(7) lists them');
    }
    names.add(name);
  }
  return names;
}

const ALL = 'CAP_ALL';
const NONE: ReadonlySet<string> = new Set();

/**
 * The capabilities of a container, with Docker's meaning (moby `caps.TweakCapabilities`): added to and
 * dropped from the default set; adding ALL means all but the dropped; dropping ALL leaves the added. What
 * was named must be available; of ALL and of the defaults, what is available is meant.
 */
export function containerCapabilities(
  add: readonly string[] | undefined,
  drop: readonly string[] | undefined,
  privileged: boolean,
  limits: CapabilityLimits,
): readonly string[] {
  const adds = add === undefined ? NONE : parseNames('capAdd', add);
  const drops = drop === undefined ? NONE : parseNames('capDrop', drop);
  const available = (name: string): boolean => isAvailable(name, limits);
  if (privileged) return CAPABILITIES.filter(available);
  for (const name of adds) {
    if (name !== ALL && !available(name)) throw unavailable(name, limits);
  }
  if (adds.has(ALL)) {
    if (drops.has(ALL)) return [];
    return CAPABILITIES.filter((name) => !drops.has(name) && available(name));
  }
  if (drops.has(ALL)) return [...adds];
  if (adds === NONE && drops === NONE && DEFAULT_CAPABILITIES.every(available)) {
    return DEFAULT_CAPABILITIES;
  }
  const set = new Set(DEFAULT_CAPABILITIES.filter((name) => !drops.has(name) && available(name)));
  for (const name of adds) set.add(name);
  return [...set];
}

function unavailable(name: string, { lastCap }: CapabilityLimits): CaissonError {
  const details = { stage: 'config', path: 'capAdd' };
  return lastCap !== undefined && CAPABILITIES.indexOf(name) > lastCap
    ? new CaissonError(
        'ERR_KERNEL_FEATURE_MISSING',
        `capAdd: the running kernel does not know ${name}`,
        details,
      )
    : new CaissonError('ERR_NO_PRIVILEGES', `capAdd: this process does not have ${name} itself`, {
        ...details,
        hint: 'userns "auto" gives a container all capabilities over what is its own',
      });
}
