/** The errors of limits that this machine cannot set: what is missing, the reason and the remedy. */
import { CaissonError } from '../../base/errors.js';
import { delegateToUser, delegationHint } from '../systemd/delegation.js';
import type { CgroupLayout } from '../layout.js';
import { optionName } from './option-errors.js';

/** The files that every cgroup of v2 has, independent of controllers. */
const OF_V2_ITSELF: ReadonlySet<string> = new Set(['devices', 'cgroup2']);

/** The name of a controller depends on the version: the name that it has, or would have, on this machine. */
export function nameHere({ hierarchies }: CgroupLayout, v1: string, v2: string): string {
  return hierarchies.some((h) => h.version === 1 && h.controllers.length > 0) ? v1 : v2;
}

/** Why a controller is missing, as far as it is known, and the remedy. */
export function whyMissing(
  layout: CgroupLayout,
  controller: string,
): { readonly reason: string; readonly remedy: string } {
  const unified = layout.hierarchies.find(({ version }) => version === 2);
  const mounted =
    layout.hierarchies.find((h) => h.controllers.includes(controller)) ??
    (OF_V2_ITSELF.has(controller) ? unified : undefined);
  if (layout.disabled.has(controller)) {
    return {
      reason: 'the kernel was started with it switched off',
      remedy: `remove cgroup_disable=${controller} from the kernel's command line`,
    };
  }
  if (mounted?.readOnly === true) {
    return {
      reason: `${mounted.mountPoint} is mounted read-only`,
      remedy: `in a container: ${writableCgroups(mounted.version)}`,
    };
  }
  if (mounted?.usable === true) {
    return {
      reason: `it is one of cgroup v${mounted.version} here, at ${mounted.mountPoint}`,
      remedy:
        "systemd.unified_cgroup_hierarchy=1 on the kernel's command line gives all of them to v2",
    };
  }
  if (mounted !== undefined) {
    return {
      reason: `${mounted.mountPoint} is not writable for this user`,
      remedy: delegationHint(layout) ?? 'run in a cgroup that is delegated to this user',
    };
  }
  if (unified?.delegated === true) {
    return {
      reason: 'it was not delegated to the systemd of this user',
      remedy: delegateToUser(process.geteuid?.() ?? 0),
    };
  }
  if (layout.hierarchies.length === 0) {
    return {
      reason: 'cgroups are not mounted',
      remedy: 'mount -t cgroup2 none /sys/fs/cgroup',
    };
  }
  if (layout.mode === 'v2' && unified !== undefined) {
    return {
      reason: `it is not in ${unified.mountPoint}/cgroup.controllers`,
      remedy:
        unified.mountRoot === '/' &&
        (unified.ownPath ?? '/') === '/' &&
        !unified.files.has('cgroup.type')
          ? 'a kernel that is built with it'
          : 'the cgroup above has to enable it in its cgroup.subtree_control (systemd: Delegate=)',
    };
  }
  return {
    reason: 'it is not mounted in any cgroup hierarchy',
    remedy: `mount -t cgroup -o ${controller} none DIRECTORY, with a kernel that is built with it`,
  };
}

/**
 * Flags of podman, Docker and caisson for the outer container. The host's v2 tree is of no use in a cgroup namespace.
 */
export function writableCgroups(version: 1 | 2): string {
  return version === 1
    ? '--privileged, or -v /sys/fs/cgroup:/sys/fs/cgroup:rw'
    : '--privileged; podman: --security-opt unmask=/sys/fs/cgroup; Docker: --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw';
}

/** The error of a limit whose controller is missing, with the reason as far as it is known. */
export function missingController(
  layout: CgroupLayout,
  option: string,
  controller: string,
): CaissonError {
  const { reason, remedy } = whyMissing(layout, controller);
  const hint = `${reason}; ${remedy}`;
  return new CaissonError(
    'ERR_CGROUP_CONTROLLER_MISSING',
    `${optionName(option)} needs the cgroup controller ${controller}, which this machine does not offer`,
    { stage: 'config', path: option, hint },
  );
}

/** The error of an operation that needs a cgroup of the container, with any controllers. */
export function missingCgroups(layout: CgroupLayout, option: string): CaissonError {
  const { reason, remedy } = whyMissing(layout, 'pids');
  return new CaissonError(
    'ERR_CGROUP_CONTROLLER_MISSING',
    `${optionName(option)} needs a cgroup, and none can be made here`,
    { stage: 'config', path: option, hint: `${reason}; ${remedy}` },
  );
}

const fileHints: readonly (readonly [RegExp, string])[] = [
  [/memsw|swap\.max/, 'swap accounting is off; start the kernel with swapaccount=1'],
  [/weight/, 'load the bfq scheduler (modprobe bfq), which brings it'],
  [/cfs_|cpu\.max/, 'the kernel was built without CONFIG_CFS_BANDWIDTH'],
  [/throttle|io\.max/, 'the kernel was built without CONFIG_BLK_DEV_THROTTLING'],
  [/^hugetlb/, 'the kernel has no huge pages of that size'],
];

/** The error of a limit whose controller exists, but whose file does not. */
export function missingFile(option: string, controller: string, file: string): CaissonError {
  const hint = fileHints.find(([pattern]) => pattern.test(file))?.[1];
  return new CaissonError(
    'ERR_CGROUP_CONTROLLER_MISSING',
    `${optionName(option)} needs the cgroup file ${file}, which the controller ${controller} of this kernel does not have`,
    { stage: 'config', path: option, hint },
  );
}
