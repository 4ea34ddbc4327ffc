/** Why the kernel refuses a call of this process, and what would make it allow it. */
import { type Confinement, hasCapability } from './confinement.js';

export interface Refusal {
  readonly reason: string;
  readonly remedy: string;
}

export interface RefusedCall {
  readonly call: string;
  readonly errno: string;
  /** What it was about. */
  readonly object?: string | undefined;
}

const DENIED: ReadonlySet<string> = new Set(['EPERM', 'EACCES']);

/** The flags have the same names with podman, Docker and caisson. */
const AS_FLAG = ' (podman, Docker and caisson alike)';

/** The capability that a call takes, where it is not CAP_SYS_ADMIN. By the beginning of its name. */
const NEEDS: readonly (readonly [call: RegExp, capability: string])[] = [
  [/^mknodat/, 'CAP_MKNOD'],
  [/^ioctl SIOCS|^netlink/, 'CAP_NET_ADMIN'],
  [/^bpf/, 'CAP_BPF'],
  [/^f?chown/, 'CAP_CHOWN'],
  [/^setgroups|^setresgid|^setfsgid/, 'CAP_SETGID'],
  [/^setresuid|^setfsuid/, 'CAP_SETUID'],
  [/^chroot/, 'CAP_SYS_CHROOT'],
  [/^prlimit/, 'CAP_SYS_RESOURCE'],
];

/** Of which a refusal mostly says something about the file. */
const OF_FILES = /^(?:openat|mkdirat|symlinkat|unlinkat|read|write|execve)/;

/**
 * Undefined where the confinement of this process does not explain it.
 *
 * @param asked the capability that it takes, where the call alone does not say that.
 */
export function explainRefusal(
  { call, errno, object }: RefusedCall,
  confinement: Confinement,
  asked?: string,
): Refusal | undefined {
  if (asked === undefined && OF_FILES.test(call)) return undefined;
  const needs = asked ?? NEEDS.find(([pattern]) => pattern.test(call))?.[1] ?? 'CAP_SYS_ADMIN';
  const outside = confinement.inside !== undefined;
  const name = call.replace(/ .*/, '');
  if (errno === 'ENOSYS') {
    // Docker's own filter says so of clone3, to have programs use clone instead.
    return confinement.filtered
      ? {
          reason: `the seccomp filter of this process answers ${name} with ENOSYS, or the kernel has no such call`,
          remedy: `--security-opt seccomp=unconfined${AS_FLAG}, or a filter that allows ${name}`,
        }
      : undefined;
  }
  if (!DENIED.has(errno)) return undefined;
  // Before Linux 5.8 what CAP_BPF allows was CAP_SYS_ADMIN's, which still does.
  const has =
    hasCapability(confinement, needs) ||
    (needs === 'CAP_BPF' && hasCapability(confinement, 'CAP_SYS_ADMIN'));
  if (!has) {
    const flag = needs.replace('CAP_', '');
    if (outside)
      return {
        reason: `this container has no ${needs}`,
        remedy: `--cap-add ${flag} or --privileged${AS_FLAG} for the outer container`,
      };
    return confinement.uid === 0
      ? { reason: `this process has no ${needs}`, remedy: `start it with ${needs}` }
      : { reason: 'this user is not root', remedy: 'run as root' };
  }
  // The kernel lets a user namespace have a new one only where the old one hides nothing: mount_too_revealing().
  if (
    call === 'fsmount' &&
    errno === 'EPERM' &&
    confinement.ownUserNamespace &&
    /^(?:proc|sysfs)$/.test(object ?? '')
  ) {
    return {
      reason: `parts of /${object === 'proc' ? 'proc' : 'sys'} are masked here, and would be seen in a new one`,
      remedy:
        '--privileged, or --userns=host (caisson, Docker), --security-opt unmask=ALL (podman), for the outer container',
    };
  }
  if (errno === 'EACCES' && confinement.profile !== undefined) {
    return {
      reason: `the security module confines this process (${confinement.profile})`,
      remedy: confinement.profile.includes(':')
        ? `--security-opt label=disable for the outer container`
        : `--security-opt apparmor=unconfined for the outer container`,
    };
  }
  if (errno === 'EPERM' && confinement.filtered) {
    return {
      reason: `the seccomp filter of this process refuses ${name}`,
      remedy: `--security-opt seccomp=unconfined${AS_FLAG}, or a filter that allows ${name}`,
    };
  }
  if (errno === 'EPERM' && confinement.ownUserNamespace) {
    return {
      reason: `the user namespace of this process gives no right to ${name}`,
      remedy:
        "the outer container needs the host's users: --userns=host (caisson, Docker), rootful podman",
    };
  }
  return undefined;
}
