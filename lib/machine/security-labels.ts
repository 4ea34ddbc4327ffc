/** What the kernel's security modules can do for a container: AppArmor confines it by a profile, SELinux by a label. */
import { existsSync, readFileSync } from 'node:fs';

import { CaissonError } from '../errors.js';

let enabled: boolean | undefined;

/** It is among the kernel's security modules now: only then can its label of a process be read (proc_pid_attr(5)). */
export function hasAppArmor(): boolean {
  if (enabled === undefined) {
    try {
      enabled = readFileSync('/proc/self/attr/apparmor/current', 'utf8') !== '';
    } catch {
      enabled = false;
    }
  }
  return enabled;
}

/**
 * The profile that the kernel is to be asked for; undefined where there is none to ask for. Docker ignores a profile on a
 * kernel without AppArmor: a container that was to be confined would run without it.
 *
 * @param known whether the kernel has AppArmor, where that is known.
 * @throws CaissonError ERR_KERNEL_FEATURE_MISSING
 */
export function appArmorProfile(asked: string | undefined, known?: boolean): string | undefined {
  if (asked === undefined || (known ?? hasAppArmor())) return asked;
  if (asked === 'unconfined') return undefined;
  throw new CaissonError(
    'ERR_KERNEL_FEATURE_MISSING',
    `securityOpt: apparmor=${asked}: this kernel has no AppArmor, or has not enabled it`,
    {
      stage: 'config',
      path: 'securityOpt',
      hint: 'a kernel with AppArmor among its security modules (boot parameters apparmor=1 security=apparmor), or no apparmor=',
    },
  );
}

/**
 * Labels are not set yet, so that asking for one is always an error.
 *
 * @throws CaissonError ERR_KERNEL_FEATURE_MISSING where the kernel has no SELinux, otherwise ERR_UNSUPPORTED_OPTION
 */
export function refuseLabels(labels: readonly string[]): void {
  const [label] = labels;
  if (label === undefined) return;
  const has = existsSync('/sys/fs/selinux/enforce');
  throw new CaissonError(
    has ? 'ERR_UNSUPPORTED_OPTION' : 'ERR_KERNEL_FEATURE_MISSING',
    has
      ? `securityOpt: label=${label}: caisson does not set SELinux labels yet`
      : `securityOpt: label=${label}: this kernel has no SELinux, or has not enabled it`,
    { stage: 'config', path: 'securityOpt', hint: 'label=disable, or no label= at all' },
  );
}
