/** From the machine's error record to a typed error with an address and, where one is known, a remedy. */
import { CaissonError, type ErrorCode } from '../../base/errors.js';
import { storageHint, storageReason } from '../../base/storage.js';
import { explainRefusal } from '../../host/refusal.js';
import { isMachineRoot, lookAround } from '../../host/confinement.js';
import {
  forbiddingSwitch,
  readUserNamespaceSwitches,
  userNamespaceSwitch,
} from '../../host/user-namespaces.js';
import type { NativeError } from '../../native/binding.js';
import { describeForError } from '../../program/describe.js';
import { errnoName } from '../../base/errno.js';
import { PHASES, type Program, type Step } from '../../program/instructions.js';

export const BEFORE_FIRST_STEP = 0xffffffff;

const NO_SUCH_PROFILE = 'no such AppArmor profile is loaded: apparmor_parser -r FILE loads it';
const NO_CHANGE_OF_PROFILE =
  'the AppArmor profile that confines this process does not let it change to another one (change_profile)';

const DAMAGED_IMAGE =
  'the file system in the image is damaged, as by a crash of the machine: fsck.ext4 -f on it repairs it';

/** Hints by step and error; `*` stands for every step. */
const HINTS: Readonly<Record<string, string>> = {
  'clone EPERM': 'new namespaces need CAP_SYS_ADMIN, or user namespaces that the host allows',
  'clone ENOSPC': 'raise /proc/sys/user/max_*_namespaces',
  'clone EAGAIN': 'a limit on processes is reached: ulimit -u, or pids.max of the cgroup around',
  'clone ENOENT':
    "the cgroup lies outside of this process's cgroup namespace; for the container around: --cgroupns=host beside -v " +
    '/sys/fs/cgroup:/sys/fs/cgroup:rw, or --privileged without it',
  'init EAGAIN':
    'a limit on processes is reached: pidsLimit has to leave room for init and the program',
  'ids.map EPERM': 'the id range must lie in what this user may map',
  'tree.open EINVAL':
    'the filesystem there cannot be idmapped, as an overlay cannot, on which most containers lie: put it on ext4, xfs or ' +
    'btrfs (a volume); userns "host" (--userns=host) needs no mapping',
  'tree.open EXDEV': 'a link leads out of the directory that the source has to be beneath',
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
    'something still uses the layer: a process of the run before, a count of its files (ps -s, inspect -s), or a mount of it ' +
    'that was made by hand (losetup -a)',
  'overlay.make EPERM': 'without root, overlay needs Linux 5.11',
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
  'cgroup.make EROFS': 'cgroups are mounted read-only here: --privileged for the container around',
  'cgroup.write EINVAL': 'the kernel refuses the value',
  'mount.attach EACCES': 'below /proc only the engine mounts',
  'mount.fs EACCES': 'below /proc only the engine mounts',
  'mount.fs EPERM':
    'parts of /proc or /sys are hidden here, as in most containers, and users may not uncover them: the ' +
    'container around needs --privileged, or --security-opt systempaths=unconfined (Docker), unmask=ALL (podman)',
  'mount.fs ENOTDIR': 'a kernel filesystem is mounted only on a real directory, not on a link',
  'session.new EPERM': 'the terminal is in use by another session',
  'label.set ENOENT': NO_SUCH_PROFILE,
  'label.set EACCES': NO_CHANGE_OF_PROFILE,
  // The init changes to the profile while the program does: either may be the first to fail.
  'init ENOENT': NO_SUCH_PROFILE,
  'init EACCES': NO_CHANGE_OF_PROFILE,
  'dir.change EACCES': 'the user may not enter it',
  '* ENOMEM': 'the memory limit leaves no room for the set-up, or the machine is out of memory',
  '* EMFILE': 'raise the limit on open files: ulimit -n',
};

function hintFor(op: string, errno: string, path = ''): string | undefined {
  const hint = path.endsWith('/cgroup.subtree_control')
    ? HINTS[`${op} ${errno} subtree_control`]
    : undefined;
  return hint ?? HINTS[`${op} ${errno}`] ?? HINTS[`* ${errno}`];
}

/** Steps that are refused for reasons of the container's own: its user, its files, its terminal. */
const OF_THE_CONTAINER: ReadonlySet<string> = new Set([
  'exec',
  'dir.change',
  'dir.make',
  'ids.map',
  'oom.set',
  'rlimit.set',
  'rlimit.raise',
  'session.new',
  'file.write',
]);

/** Steps of the host's phase that write to the data root. */
const ON_DISK: ReadonlySet<string> = new Set([
  'dir.make',
  'symlink.make',
  'file.write',
  'file.open',
  'image.mount',
  'overlay.make',
]);

const EVERY_CAPABILITY = -1n;

/** What is around this process, and forbids the call: a container, mostly. */
function refusedBy({ call, object }: NativeError, errno: string, op?: string): string | undefined {
  if (errno !== 'EPERM' && errno !== 'EACCES' && errno !== 'ENOSYS') return undefined;
  let around = lookAround();
  if (!isMachineRoot(around) && errno !== 'ENOSYS') {
    // In the user namespace of his own an ordinary user has every right that there is in one: what is left is a filter,
    // which may allow only real root what it refuses, as podman's does; or, of /proc, what is masked.
    if (!around.filtered || errno !== 'EPERM' || op === 'mount.fs') return undefined;
    around = { ...around, capabilities: EVERY_CAPABILITY };
  }
  // Links in /proc/PID/ns: ptrace(2), "access mode checking".
  const needs = op === 'ns.open' ? 'CAP_SYS_PTRACE' : undefined;
  const refusal = explainRefusal({ call, errno, object }, around, needs);
  return refusal && `${refusal.reason}; ${refusal.remedy}`;
}

const NO_SUCH_PLACE =
  'the root is somebody else’s, and has no such place: make it there, or use a copy of your own';

/** An ordinary user's container is in a user namespace of his, in which he is root over what is his and no more. */
const HINTS_WITHOUT_ROOT: Readonly<Record<string, string>> = {
  'tree.open EINVAL': 'something is mounted below it, which a user namespace must not leave out',
  'mount.attach EACCES': NO_SUCH_PLACE,
  'mount.fs EACCES': NO_SUCH_PLACE,
};

/** What user namespaces have to do with it: that of the container, or that of whoever starts it. */
function hintOfUsers({ call, phase }: NativeError, errno: string, op?: string): string | undefined {
  if (isMachineRoot(lookAround())) {
    if (op !== 'clone' || errno !== 'ENOSPC') return undefined;
    const found = forbiddingSwitch(readUserNamespaceSwitches(), true);
    return (
      found &&
      `${found.name} is ${found.value}: ${found.remedy}; userns "host" (--userns=host) needs none`
    );
  }
  const hint = HINTS_WITHOUT_ROOT[`${op} ${errno}`];
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

const SELINUX_DENIES = 'the SELinux policy does not let this process';
const SEE_AUDIT = 'the audit log says what it lacks (ausearch -m avc)';

/** Steps that label the container's processes: the init takes the label of its program. */
const LABELLING: ReadonlySet<string> = new Set(['init', 'label.set']);

/** Whether the container's processes have an SELinux label. */
function hasSelinuxLabel({ container }: Program): boolean {
  return container.some(({ op, numbers }) => op === 'label.set' && numbers?.[0] === 1);
}

/** Where SELinux may be what has refused a label. */
function hintOfSelinux(
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

export function failureOf(
  error: NativeError,
  program: Program,
  args: readonly string[],
): CaissonError {
  const phase = PHASES[error.phase] ?? 'host';
  const errno = errnoName(error.errno);
  const step = error.step === BEFORE_FIRST_STEP ? undefined : program[phase][error.step];
  if (step === undefined) return beforeFirstStep(error);
  if (step.op === 'exec') return execFailure(error, errno, args, hasSelinuxLabel(program));
  if (error.errno === CANCELLED && phase === 'host') return aborted(error, step);
  if (step.op === 'helper.start') return helperFailure(error, errno, step);
  const path = error.object === '' ? undefined : error.object;
  const unlabelled = hintOfSelinux(error, errno, step, program);
  const refused =
    unlabelled !== undefined || OF_THE_CONTAINER.has(step.op)
      ? undefined
      : refusedBy(error, errno, step.op);
  const details = {
    stage: phase,
    step: step.op,
    stepIndex: error.step,
    syscall: error.call,
    errno,
    path,
    hint:
      unlabelled ?? refused ?? hintOfUsers(error, errno, step.op) ?? hintFor(step.op, errno, path),
  };
  const where = path === undefined || describeForError(step).includes(path) ? '' : ` (${path})`;
  const reason = phase === 'host' && ON_DISK.has(step.op) ? storageReason(errno) : undefined;
  if (reason !== undefined) {
    return new CaissonError(
      'ERR_STORAGE',
      `cannot start: the data root cannot be written: ${reason}: ${describeForError(step)}${where}: ${error.call}: ${errno}`,
      { ...details, hint: storageHint(errno) },
    );
  }
  return new CaissonError(
    refused === undefined ? codeFor(phase, step, errno) : 'ERR_NO_PRIVILEGES',
    `cannot start: ${describeForError(step)}${where}: ${error.call}: ${errno}`,
    details,
  );
}

/**
 * What it means that caisson-init has ended by itself before the exec, without an error record.
 *
 * @param timestamps as for `makeTimeline`.
 */
export function endedEarly(
  program: Program,
  timestamps: Float64Array,
  { code, signal, oomKills }: { code: number; signal: number; oomKills: number },
): CaissonError {
  const stepIndex = timestamps.subarray(program.host.length + 2).indexOf(0);
  const step = program.container[stepIndex] ?? { op: 'exec' };
  const how = signal === 0 ? `ended with ${code}` : `was killed by signal ${signal}`;
  return new CaissonError(
    'ERR_START_FAILED',
    `cannot start: caisson-init ${how} at this step: ${describeForError(step)}`,
    {
      stage: 'container',
      step: step.op,
      stepIndex,
      hint: oomKills > 0 ? HINTS['* ENOMEM'] : undefined,
    },
  );
}

const FOR_THE_PRIVILEGED: ReadonlySet<string> = new Set(['clone', 'ids.map', 'mount.fs']);

function codeFor(phase: (typeof PHASES)[number], step: Step, errno: string): ErrorCode {
  // The only directory that the container's phase makes for its own sake is the one that it then changes to.
  if (step.op === 'dir.change' || (step.op === 'dir.make' && phase === 'container')) {
    return 'ERR_INVALID_WORKDIR';
  }
  if (errno === 'ENOSYS') return 'ERR_KERNEL_FEATURE_MISSING';
  if (errno === 'EPERM' && step.op === 'overlay.make') return 'ERR_KERNEL_FEATURE_MISSING';
  if (errno === 'EPERM' && FOR_THE_PRIVILEGED.has(step.op)) return 'ERR_NO_PRIVILEGES';
  return 'ERR_START_FAILED';
}

/** @param what cannot be done. */
export function beforeFirstStep(error: NativeError, what = 'prepare a start'): CaissonError {
  const errno = errnoName(error.errno);
  const about = error.object === '' ? '' : ` ${error.object}`;
  const details = {
    stage: 'host',
    syscall: error.call,
    errno,
    path: error.object === '' ? undefined : error.object,
  };
  if (error.call === 'decode') {
    return new CaissonError(
      'ERR_INVALID_PROGRAM',
      `the launch program is invalid:${about}`,
      details,
    );
  }
  const full = /\.json(?:\.new)?$/.test(error.object) ? storageReason(errno) : undefined;
  if (full !== undefined) {
    return new CaissonError('ERR_STORAGE', `cannot ${what}: cannot write${about}: ${full}`, {
      ...details,
      hint: storageHint(errno),
    });
  }
  const denied = errno === 'EPERM' || errno === 'EACCES';
  const hint =
    refusedBy(error, errno) ??
    hintOfUsers(error, errno) ??
    (denied
      ? 'containers need root with CAP_SYS_ADMIN, or user namespaces for everybody'
      : undefined);
  return new CaissonError(
    denied || hint !== undefined ? 'ERR_NO_PRIVILEGES' : 'ERR_START_FAILED',
    `cannot ${what}: ${error.call}${about}: ${errno}`,
    { ...details, hint },
  );
}

function aborted(error: NativeError, step: Step): CaissonError {
  return new CaissonError(
    'ERR_ABORTED',
    'the container was killed before its program was started',
    { stage: 'host', step: step.op, stepIndex: error.step },
  );
}

/** How cpp/init/helper.cpp calls it when the program itself has given up. */
const HELPER_ENDED = 'exit';

/** It cannot be executed, or says nothing in time. */
const OF_THE_HELPER: ReadonlySet<string> = new Set(['execve', 'ppoll']);

/** What the program has said is all that is known of why it could not. */
function helperFailure(error: NativeError, errno: string, step: Step): CaissonError {
  const path = String(step.texts?.[0]);
  const name = path.slice(path.lastIndexOf('/') + 1);
  const itself = error.call === HELPER_ENDED;
  const said = error.object
    .split('\n')
    .map((line) => line.trim())
    // pasta's, where there is no syslog.
    .filter((line) => line !== '' && !/^Failed to send \d+ bytes to syslog$/.test(line))
    .join('; ');
  const why = itself ? (said === '' ? 'it says nothing' : said) : `${error.call}: ${errno}`;
  return new CaissonError(
    itself || OF_THE_HELPER.has(error.call) ? 'ERR_NETWORK_FAILED' : 'ERR_START_FAILED',
    `cannot start: ${name} could not give the container a network: ${why}`,
    {
      stage: 'host',
      step: step.op,
      stepIndex: error.step,
      syscall: itself ? undefined : error.call,
      errno: itself ? undefined : errno,
      path,
      hint: error.errno === NO_CHILD ? `somebody killed ${name}, or the container` : undefined,
    },
  );
}

/** ECHILD: how cpp/host/network_helper.cpp says that its supervisor has gone without a word. */
const NO_CHILD = 10;

/** ECANCELED: somebody wanted the end of the start. */
const CANCELLED = 125;

/** Missing is 127, not executable 126; a missing interpreter or loader is named. */
function execFailure(
  error: NativeError,
  errno: string,
  args: readonly string[],
  labelled: boolean,
): CaissonError {
  const command = args[0] ?? '';
  const denied = errno === 'EACCES' || errno === 'EPERM';
  const details = {
    stage: 'exec',
    step: 'exec',
    stepIndex: error.step,
    syscall: 'execve',
    errno,
    path: error.object,
    hint:
      labelled && denied
        ? `if it is executable, ${SELINUX_DENIES} start it with the container's label: ${SEE_AUDIT}`
        : undefined,
  };
  const missing = errno === 'ENOENT';
  if (missing && error.call === 'execve interpreter') {
    return new CaissonError(
      'ERR_COMMAND_NOT_FOUND',
      `${quoted(command)}: its interpreter ${quoted(error.object)} is not in the container`,
      { ...details, hint: 'the first line of the script names it' },
    );
  }
  if (missing && error.call === 'execve loader') {
    return new CaissonError(
      'ERR_COMMAND_NOT_FOUND',
      `${quoted(command)}: its loader ${quoted(error.object)} is not in the container`,
      { ...details, hint: 'the program is linked dynamically, for another system than this root' },
    );
  }
  if (missing) {
    return new CaissonError(
      'ERR_COMMAND_NOT_FOUND',
      command.includes('/')
        ? `${quoted(command)}: no such file in the container`
        : `${quoted(command)}: executable file not found in $PATH`,
      details,
    );
  }
  const why: Readonly<Record<string, string>> = {
    EACCES: 'permission denied: not executable, or a directory, for this user',
    ENOEXEC: 'exec format error: neither a program for this machine nor a script with #!',
    ENOTDIR: 'a part of its path is not a directory',
    E2BIG: 'the arguments and the environment are too large',
  };
  return new CaissonError(
    errno === 'ENOTDIR' ? 'ERR_COMMAND_NOT_FOUND' : 'ERR_COMMAND_NOT_EXECUTABLE',
    `${quoted(command)}: ${why[errno] ?? errno}`,
    details,
  );
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
