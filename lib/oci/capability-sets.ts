/** The kernel's capabilities, by number: capabilities(7), linux/capability.h as of Linux 5.9. */

/** Every capability; its index is its number. */
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

const NUMBERS: ReadonlyMap<string, number> = new Map(CAPABILITIES.map((name, n) => [name, n]));

const masks = new WeakMap<readonly string[], bigint>();

/** The bits of a set of names. Sets that are shared between containers are worked out once. */
export function capabilityMask(names: readonly string[] | undefined): bigint {
  if (names === undefined || names.length === 0) return 0n;
  let mask = masks.get(names);
  if (mask === undefined) {
    mask = 0n;
    for (const name of names) {
      const number = NUMBERS.get(name);
      if (number !== undefined) mask |= 1n << BigInt(number);
    }
    masks.set(names, mask);
  }
  return mask;
}
