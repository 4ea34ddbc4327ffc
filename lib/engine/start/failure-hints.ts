/** Hints for failed steps: why the kernel has refused a call, and the remedy. */
import { isMachineRoot, readConfinement } from '../../host/confinement.js';
import { explainRefusal } from '../../host/refusal.js';
import {
  forbiddingSwitch,
  readUserNamespaceSwitches,
  userNamespaceSwitch,
} from '../../host/user-namespaces.js';
import type { NativeError } from '../../native/binding.js';
import { PHASES, type Program, type Step } from '../../program/instructions.js';

export const NO_MEMORY =
  'the memory limit leaves no room for the set-up, or the machine is out of memory';

const NO_SUCH_PROFILE = 'no such AppArmor profile is loaded: apparmor_parser -r FILE loads it';
const NO_CHANGE_OF_PROFILE =
  'the AppArmor profile that confines this process does not let it change to another one (change_profile)';

const DAMAGED_IMAGE =
  'the file system in the image is damaged, as by a crash of the machine: fsck.ext4 -f on it repairs it';

/** Hints by step and error; `*` stands for every step. */
const HINTS: Readonly<Record<string, string>> = {
  'process.open ESRCH': 'a container whose namespaces are joined has ended',
  'clone EPERM': 'new namespaces need CAP_SYS_ADMIN, or user namespaces that the host allows',
  'clone ENOSPC': 'raise /proc/sys/user/max_*_namespaces',
  'clone EAGAIN': 'a limit on processes is reached: ulimit -u, or pids.max of an outer cgroup',
  'clone ENOENT':
    "the cgroup lies outside of this process's cgroup namespace; for the outer container: --cgroupns=host beside -v " +
    '/sys/fs/cgroup:/sys/fs/cgroup:rw, or --privileged without it',
  'init EAGAIN':
    'a limit on processes is reached: pidsLimit has to leave room for init and the program',
  'ids.map EPERM': 'the id range must lie in what this user may map',
  'tree.open EINVAL':
    'the filesystem there cannot be idmapped, as an overlay cannot, on which most containers lie: put it on ext4, xfs or ' +
    'btrfs (a volume); userns "host" (--userns=host) needs no mapping',
  'tree.open EXDEV': 'a link leads out of the directory that the source has to lie in',
  'tree.open ENOENT': 'it vanished after it was checked',
  'overlay.make EINVAL':
    'a layer lies on a filesystem that overlay does not take, such as another overlay; put the data root on ext4, xfs or ' +
    'btrfs: in a container, on a volume (-v data:/var/lib/caisson) or a tmpfs',
  'image.mount ENOENT':
    'a loop device is missing in /dev; in a container, that takes the /dev of the host',
  'image.mount ENODEV': 'the kernel has no ext4: CONFIG_EXT4_FS',
  'image.mount EINVAL': DAMAGED_IMAGE,
  'image.mount EUCLEAN': DAMAGED_IMAGE,
  'image.mount ETIMEDOUT':
    'the layer is still in use: by a process of the run before, by a count of its files (ps -s, inspect -s), or by a mount ' +
    'that was made by hand (losetup -a)',
  'overlay.make EPERM': 'rootless overlay needs Linux 5.11',
  'oom.set EACCES': 'lowering the score needs CAP_SYS_RESOURCE',
  'rlimit.set EPERM': 'raising a hard limit needs CAP_SYS_RESOURCE',
  'rlimit.raise EPERM':
    'raising a hard limit needs CAP_SYS_RESOURCE, and for nofile a /proc/sys/fs/nr_open as high',
  'cgroup.write EBUSY': 'the value is below what is in use',
  'cgroup.write EBUSY subtree_control':
    'processes sit in that cgroup itself, and a cgroup of v2 with processes hands out no controllers; move them into one ' +
    'below: mkdir /sys/fs/cgroup/init, then each pid of cgroup.procs into its cgroup.procs',
  'cgroup.write ENOENT subtree_control':
    'a cgroup above does not hand all of these down; where they were delegated (Delegate=) while the systemd of this user ' +
    'ran, it has to be started again: log out everywhere and in again',
  'cgroup.make EROFS': 'cgroups are mounted read-only here: --privileged for the outer container',
  'cgroup.write EINVAL': 'the kernel refuses the value',
  'mount.attach EACCES': 'below /proc only the engine mounts',
  'mount.fs EACCES': 'below /proc only the engine mounts',
  'mount.fs EPERM':
    'parts of /proc or /sys are hidden here, as in most containers, and users may not uncover them: the ' +
    'outer container needs --privileged, or --security-opt systempaths=unconfined (Docker), unmask=ALL (podman)',
  'mount.fs ENOTDIR': 'a kernel filesystem is mounted only on a real directory, not on a link',
  'session.new EPERM': 'the terminal is in use by another session',
  'label.set ENOENT': NO_SUCH_PROFILE,
  'label.set EACCES': NO_CHANGE_OF_PROFILE,
  // The init changes to the profile while the program does: either may be the first to fail.
  'init ENOENT': NO_SUCH_PROFILE,
  'init EACCES': NO_CHANGE_OF_PROFILE,
  'dir.change EACCES': 'the user may not enter it',
  '* ENOMEM': NO_MEMORY,
  '* EMFILE': 'raise the limit on open files: ulimit -n',
};

export function hintFor(op: string, errno: string, path = ''): string | undefined {
  const hint = path.endsWith('/cgroup.subtree_control')
    ? HINTS[`${op} ${errno} subtree_control`]
    : undefined;
  return hint ?? HINTS[`${op} ${errno}`] ?? HINTS[`* ${errno}`];
}

const EVERY_CAPABILITY = -1n;

/** What confines this process and forbids the call: an outer container, mostly. */
export function refusedBy(
  { call, object }: NativeError,
  errno: string,
  op?: string,
): string | undefined {
  if (errno !== 'EPERM' && errno !== 'EACCES' && errno !== 'ENOSYS') return undefined;
  let confinement = readConfinement();
  if (!isMachineRoot(confinement) && errno !== 'ENOSYS') {
    // In its own user namespace a rootless start has every capability. What can still refuse is a filter that makes an
    // exception for real root, as podman's does, or the masked parts of /proc.
    if (!confinement.filtered || errno !== 'EPERM' || op === 'mount.fs') return undefined;
    confinement = { ...confinement, capabilities: EVERY_CAPABILITY };
  }
  // Links in /proc/PID/ns: ptrace(2), "access mode checking".
  const needs = op === 'ns.open' ? 'CAP_SYS_PTRACE' : undefined;
  const refusal = explainRefusal({ call, errno, object }, confinement, needs);
  return refusal && `${refusal.reason}; ${refusal.remedy}`;
}

const NO_SUCH_PLACE =
  'the root belongs to another user and has no such directory: make it there, or use a copy of your own';

/** A rootless container's user namespace gives it rights over the files of its user and no others. */
const ROOTLESS_HINTS: Readonly<Record<string, string>> = {
  'tree.open EINVAL': 'something is mounted below it, which a user namespace must not leave out',
  'mount.attach EACCES': NO_SUCH_PLACE,
  'mount.fs EACCES': NO_SUCH_PLACE,
};

/** Where a switch for user namespaces forbids the call. */
export function hintOfUsers(
  { call, phase }: NativeError,
  errno: string,
  op?: string,
): string | undefined {
  if (isMachineRoot(readConfinement())) {
    if (op !== 'clone' || errno !== 'ENOSPC') return undefined;
    const found = forbiddingSwitch(readUserNamespaceSwitches(), true);
    return (
      found &&
      `${found.name} is ${found.value}: ${found.remedy}; userns "host" (--userns=host) needs none`
    );
  }
  const hint = ROOTLESS_HINTS[`${op} ${errno}`];
  if (hint !== undefined && call !== 'move_mount') return hint;
  if (errno !== 'EACCES' || (op !== undefined && PHASES[phase] !== 'host')) return undefined;
  const found = userNamespaceSwitch();
  return found && `${found.name} forbids it; as root: ${found.remedy}`;
}

/** Which text of a step is the SELinux label of the files of a new file system. */
const FILE_LABEL: Readonly<Partial<Record<string, number>>> = {
  'fs.make': 2,
  'overlay.make': 2,
  'mount.fs': 3,
};

export const SELINUX_DENIES = 'the SELinux policy does not let this process';
export const SEE_AUDIT = 'the audit log says what it lacks (ausearch -m avc)';

/** Steps that label the container's processes: the init takes the label of its program. */
const LABELLING: ReadonlySet<string> = new Set(['init', 'label.set']);

/** Whether the container's processes have an SELinux label. */
export function hasSelinuxLabel({ container }: Program): boolean {
  return container.some(({ op, numbers }) => op === 'label.set' && numbers?.[0] === 1);
}

/** Where SELinux may have refused a label. */
export function hintOfSelinux(
  { call }: NativeError,
  errno: string,
  step: Step,
  program: Program,
): string | undefined {
  const label = FILE_LABEL[step.op];
  const ofFiles =
    label !== undefined &&
    step.texts?.[label] !== undefined &&
    (call.startsWith('fsconfig') || call === 'fsetxattr');
  const ofProcesses = LABELLING.has(step.op) && hasSelinuxLabel(program);
  if (!ofFiles && !ofProcesses) return undefined;
  if (errno === 'EINVAL' && (!ofFiles || call !== 'fsconfig'))
    return 'the SELinux policy has no such label';
  if (errno !== 'EACCES' && errno !== 'EPERM') return undefined;
  if (ofFiles) return `${SELINUX_DENIES} label the container's files so: ${SEE_AUDIT}`;
  return step.op === 'init'
    ? `${SELINUX_DENIES} change the label of a process that does not exec, as the init does (dyntransition): ` +
        `allow that, or do without the init (init: false)`
    : `${SELINUX_DENIES} set labels: ${SEE_AUDIT}`;
}
