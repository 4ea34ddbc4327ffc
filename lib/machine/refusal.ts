/** Why the kernel refuses a call of this process, and what would make it allow it. */
import { type Confinement, hasCapability } from './surroundings.js';

export interface Refusal {
  readonly cause: string;
  readonly cure: string;
}

const DENIED: ReadonlySet<string> = new Set(['EPERM', 'EACCES']);

/** The flags have the same names with podman, Docker and caisson. */
const AS_FLAG = ' (podman, Docker and caisson alike)';

/**
 * Undefined where nothing around this process explains it.
 *
 * @param needs the capability that the call takes.
 */
export function explainRefusal(
  { call, errno }: { readonly call: string; readonly errno: string },
  around: Confinement,
  needs = 'CAP_SYS_ADMIN',
): Refusal | undefined {
  const outside = around.inside !== undefined;
  const name = call.replace(/ .*/, '');
  if (errno === 'ENOSYS') {
    // Docker's own filter says so of clone3, to have programs use clone instead.
    return around.filtered
      ? {
          cause: `the seccomp filter around this process answers ${name} with ENOSYS, or the kernel has no such call`,
          cure: `--security-opt seccomp=unconfined${AS_FLAG}, or a filter that allows ${name}`,
        }
      : undefined;
  }
  if (!DENIED.has(errno)) return undefined;
  if (!hasCapability(around, needs)) {
    const flag = needs.replace('CAP_', '');
    if (outside)
      return {
        cause: `this container has no ${needs}`,
        cure: `--cap-add ${flag} or --privileged${AS_FLAG} for the container around`,
      };
    return around.uid === 0
      ? { cause: `this process has no ${needs}`, cure: `start it with ${needs}` }
      : { cause: 'this user is not root', cure: 'run as root' };
  }
  if (errno === 'EACCES' && around.profile !== undefined) {
    return {
      cause: `the security module confines this process (${around.profile})`,
      cure: around.profile.includes(':')
        ? `--security-opt label=disable for the container around`
        : `--security-opt apparmor=unconfined for the container around`,
    };
  }
  if (errno === 'EPERM' && around.filtered) {
    return {
      cause: `the seccomp filter around this process refuses ${name}`,
      cure: `--security-opt seccomp=unconfined${AS_FLAG}, or a filter that allows ${name}`,
    };
  }
  if (errno === 'EPERM' && around.ownUsers) {
    return {
      cause: `the user namespace around this process gives no right to ${name}`,
      cure: "the container around needs the host's users: --userns=host (caisson, Docker), rootful podman",
    };
  }
  return undefined;
}
