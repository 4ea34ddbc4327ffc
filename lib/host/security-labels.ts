/** AppArmor, which confines a container by a profile. */
import { readFileSync } from 'node:fs';

import { CaissonError } from '../base/errors.js';

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
