/** The settings by which a machine forbids user namespaces to unprivileged users, or to all users. */
import { readFileSync } from 'node:fs';
import type { Refusal } from './refusal.js';

/** Values of the files below /proc/sys; undefined where there is none. */
export interface UserNamespaceSwitches {
  readonly maxUserNamespaces?: string | undefined;
  readonly unprivilegedUserns?: string | undefined;
  readonly apparmorRestrictsUserns?: string | undefined;
}

interface Switch {
  readonly of: keyof UserNamespaceSwitches;
  /** sysctl(8). */
  readonly name: string;
  readonly forbids: (value: string) => boolean;
  /** It also applies to processes with CAP_SYS_ADMIN. */
  readonly root: boolean;
  /** A command of root's. */
  readonly remedy: string;
}

/** About what a machine with 4 GB allows by itself. */
const ENOUGH = 15_000;

/** user_namespaces(7); Debian's and Ubuntu's own. */
const SWITCHES: readonly Switch[] = [
  {
    of: 'maxUserNamespaces',
    name: 'user.max_user_namespaces',
    forbids: (value) => value === '0',
    root: true,
    remedy: `sysctl user.max_user_namespaces=${ENOUGH}`,
  },
  {
    of: 'unprivilegedUserns',
    name: 'kernel.unprivileged_userns_clone',
    forbids: (value) => value === '0',
    root: false,
    remedy: 'sysctl kernel.unprivileged_userns_clone=1',
  },
  {
    of: 'apparmorRestrictsUserns',
    name: 'kernel.apparmor_restrict_unprivileged_userns',
    forbids: (value) => value !== '0',
    root: false,
    // What runs from memory, as caisson-init does, has no path, and keeps the profile of who started it.
    remedy: `sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with "userns," for ${process.execPath}`,
  },
];

export function readUserNamespaceSwitches(): UserNamespaceSwitches {
  return Object.fromEntries(
    SWITCHES.map(({ of, name }) => {
      try {
        return [of, readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim()];
      } catch {
        return [of, undefined]; // this kernel has no such switch
      }
    }),
  );
}

/** The one that this machine has turned against users, if any: as root, there is a remedy. */
export function userNamespaceSwitch(): ReturnType<typeof forbiddingSwitch> {
  return forbiddingSwitch(readUserNamespaceSwitches(), false);
}

/** The one that is turned against this user. */
export function forbiddingSwitch(
  values: UserNamespaceSwitches,
  isRoot: boolean,
): { readonly name: string; readonly value: string; readonly remedy: string } | undefined {
  for (const { of, name, forbids, root, remedy } of SWITCHES) {
    const value = values[of];
    if (value !== undefined && forbids(value) && (root || !isRoot)) return { name, value, remedy };
  }
  return undefined;
}

/** What of the limits a new user namespace has: create_user_ns() of the kernel. */
const NONE = 2 ** 31 - 1;

/** What ENOSPC says of a machine that has user namespaces. A limit is for each user. */
export function usedUp({ maxUserNamespaces }: UserNamespaceSwitches): Refusal {
  const most = Number(maxUserNamespaces ?? 0);
  if (most >= NONE)
    return {
      reason: 'user.max_user_namespaces of an outer user namespace is reached',
      remedy: `sysctl user.max_user_namespaces=${ENOUGH}, there`,
    };
  return {
    reason: `as many as a user may have are in use (user.max_user_namespaces is ${most})`,
    remedy: `sysctl user.max_user_namespaces=${Math.max(2 * most, ENOUGH)}`,
  };
}
