/** From the error record of a failed step to a typed error that names the step and, where one is known, a remedy. */
import { CaissonError, type ErrorCode } from '../../base/errors.js';
import { storageHint, storageReason } from '../../base/storage.js';
import type { NativeError } from '../../native/binding.js';
import { describeForError } from '../../program/describe.js';
import { errnoName } from '../../base/errno.js';
import { PHASES, type Program, type Step } from '../../program/instructions.js';
import { execFailure } from './exec-failure.js';
import {
  hasSelinuxLabel,
  hintFor,
  hintOfSelinux,
  hintOfUsers,
  NO_MEMORY,
  refusedBy,
} from './failure-hints.js';
import { netlinkFailure, portFailure, resolverFailure } from './network-failure.js';

export const BEFORE_FIRST_STEP = 0xffffffff;

/** Steps that are refused because of the container: its user, its files, its terminal. */
const CONTAINER_STEPS: ReadonlySet<string> = new Set([
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

export function failureOf(
  error: NativeError,
  program: Program,
  args: readonly string[],
): CaissonError {
  const phase = PHASES[error.phase] ?? 'host';
  const errno = errnoName(error.errno);
  const step = error.step === BEFORE_FIRST_STEP ? undefined : stepOf(error, program[phase]);
  if (step === undefined) return beforeFirstStep(error);
  if (step.op === 'exec') return execFailure(error, errno, args, hasSelinuxLabel(program));
  if (error.errno === CANCELLED && phase === 'host') return aborted(error, step);
  if (step.op === 'helper.start') return helperFailure(error, errno, step);
  if (step.op === 'port.bind' || step.op === 'port.forward') return portFailure(error, errno, step);
  if (step.op === 'netlink.request') return netlinkFailure(error, errno, step);
  if (step.op === 'resolver.register' || step.op === 'resolver.await')
    return resolverFailure(error, errno, step);
  const path = error.object === '' ? undefined : error.object;
  const selinux = hintOfSelinux(error, errno, step, program);
  const refused =
    selinux !== undefined || CONTAINER_STEPS.has(step.op)
      ? undefined
      : refusedBy(error, errno, step.op);
  const details = {
    stage: phase,
    step: step.op,
    stepIndex: error.step,
    syscall: error.call,
    errno,
    path,
    hint: selinux ?? refused ?? hintOfUsers(error, errno, step.op) ?? hintFor(step.op, errno, path),
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

/** A parked container changes to the directory that it is given. */
function stepOf({ step, call, object }: NativeError, steps: readonly Step[]): Step | undefined {
  const found = steps[step];
  const changes = found?.op === 'await' && (call === 'chdir' || call === 'getcwd');
  return changes ? { op: 'dir.change', texts: [object] } : found;
}

/**
 * The error where caisson-init has ended before the exec, without an error record.
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
      hint: oomKills > 0 ? NO_MEMORY : undefined,
    },
  );
}

const PRIVILEGED_STEPS: ReadonlySet<string> = new Set(['clone', 'ids.map', 'mount.fs']);

function codeFor(phase: (typeof PHASES)[number], step: Step, errno: string): ErrorCode {
  // The container phase makes no other directory of its own than the one that it then changes to.
  if (step.op === 'dir.change' || (step.op === 'dir.make' && phase === 'container')) {
    return 'ERR_INVALID_WORKDIR';
  }
  if (errno === 'ENOSYS') return 'ERR_KERNEL_FEATURE_MISSING';
  if (errno === 'EPERM' && step.op === 'overlay.make') return 'ERR_KERNEL_FEATURE_MISSING';
  if (errno === 'EPERM' && PRIVILEGED_STEPS.has(step.op)) return 'ERR_NO_PRIVILEGES';
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
      ? 'containers need root with CAP_SYS_ADMIN, or user namespaces that every user may make'
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

/** The call that cpp/init/helper.cpp reports when the program itself has given up. */
const HELPER_ENDED = 'exit';

/** It cannot be executed, or does not answer in time. */
const HELPER_CALLS: ReadonlySet<string> = new Set(['execve', 'ppoll']);

/** What pasta and slirp4netns say of a port that they could not bind. */
const PORT_REFUSED = /Failed to bind any port|slirp_add_hostfwd failed/;

/** All that is known of the reason is what the program has written. */
function helperFailure(error: NativeError, errno: string, step: Step): CaissonError {
  const [text] = step.texts ?? [];
  const path = typeof text === 'string' ? text : '';
  const name = path.slice(path.lastIndexOf('/') + 1);
  const itself = error.call === HELPER_ENDED;
  const said = error.object
    .split('\n')
    .map((line) => line.trim())
    // pasta's, where there is no syslog.
    .filter((line) => line !== '' && !/^Failed to send \d+ bytes to syslog$/.test(line))
    .join('; ');
  const why = itself ? (said === '' ? 'it says nothing' : said) : `${error.call}: ${errno}`;
  // `port.bind` has just bound it: another process was faster.
  const inUse = itself && PORT_REFUSED.test(said);
  return new CaissonError(
    inUse
      ? 'ERR_PORT_IN_USE'
      : itself || HELPER_CALLS.has(error.call)
        ? 'ERR_NETWORK_FAILED'
        : 'ERR_START_FAILED',
    `cannot start: ${name} could not give the container a network: ${inUse ? `port is already allocated: ${why}` : why}`,
    {
      stage: 'host',
      step: step.op,
      stepIndex: error.step,
      syscall: itself ? undefined : error.call,
      errno: itself ? undefined : errno,
      path,
      hint: error.errno === NO_CHILD ? `${name} or the container was killed` : undefined,
    },
  );
}

/** ECHILD: cpp/host/network_helper.cpp reports by it that the exec supervisor has gone without an answer. */
const NO_CHILD = 10;

/** ECANCELED: the start was to be ended. */
const CANCELLED = 125;
