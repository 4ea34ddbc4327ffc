/** Linux capabilities: the names, Docker's default set, and what `capAdd` and `capDrop` make of it. */
import { CaissonError } from '../errors.js';
import { invalid, stringList } from './check.js';

/** Every capability; its index is its number (linux/capability.h as of Linux 5.9, capabilities(7)). */
export const CAPABILITIES: readonly string[] = Object.freeze([
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
]);

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

const NUMBERS: ReadonlyMap<string, number> = new Map(
  CAPABILITIES.map((name, number) => [name, number]),
);

/** The number of a `CAP_…` name, for the kernel. */
export function capabilityNumber(name: string): number | undefined {
  return NUMBERS.get(name);
}

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
    const number = NUMBERS.get(name);
    if (number === undefined)
      throw invalid(option, given, 'is not a capability', 'capabilities(7) lists them');
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
