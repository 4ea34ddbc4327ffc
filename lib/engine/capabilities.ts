/** Docker's default set of capabilities, and what `capAdd` and `capDrop` make of it. */
import { CaissonError } from '../errors.js';
import { CAPABILITIES } from '../oci/capabilities.js';
import { invalid, stringList } from './check.js';

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

function parseNames(
  option: 'capAdd' | 'capDrop',
  value: readonly string[],
  lastCap: number,
): Set<string> {
  const names = new Set<string>();
  for (const given of stringList(option, value)) {
    const upper = given.toUpperCase();
    if (upper === 'ALL' || upper === 'CAP_ALL') {
      names.add('ALL');
      continue;
    }
    const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    const number = CAPABILITIES.indexOf(name);
    if (number < 0) {
      throw invalid(option, given, 'is not a capability', 'capabilities(7) lists them');
    }
    if (number > lastCap && option === 'capAdd') {
      throw new CaissonError(
        'ERR_KERNEL_FEATURE_MISSING',
        `${option}: the running kernel does not know ${name}`,
        {
          stage: 'config',
          path: option,
        },
      );
    }
    names.add(name);
  }
  return names;
}

/**
 * The capabilities of a container, with Docker's meaning (moby `caps.TweakCapabilities`): added to and
 * dropped from the default set; adding ALL means all but the dropped; dropping ALL leaves the added.
 * `lastCap` is the host's /proc/sys/kernel/cap_last_cap.
 */
export function containerCapabilities(
  add: readonly string[] | undefined,
  drop: readonly string[] | undefined,
  privileged: boolean,
  lastCap: number = CAPABILITIES.length - 1,
): readonly string[] {
  const adds = add === undefined ? undefined : parseNames('capAdd', add, lastCap);
  const drops = drop === undefined ? undefined : parseNames('capDrop', drop, lastCap);
  if (privileged) return CAPABILITIES.slice(0, lastCap + 1);
  if (adds === undefined && drops === undefined) return DEFAULT_CAPABILITIES;
  if (adds?.has('ALL') === true) {
    if (drops?.has('ALL') === true) return [];
    return CAPABILITIES.slice(0, lastCap + 1).filter((name) => drops?.has(name) !== true);
  }
  if (drops?.has('ALL') === true) return [...(adds ?? [])];
  const kept = new Set(DEFAULT_CAPABILITIES.filter((name) => drops?.has(name) !== true));
  for (const name of adds ?? []) kept.add(name);
  return [...kept];
}
