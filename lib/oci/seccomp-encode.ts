/** A seccomp profile in the numbers that the native compiler takes. */
import { CaissonError } from '../base/errors.js';
import type { LinuxSeccomp, LinuxSeccompArg, LinuxSyscall } from './runtime-spec.js';

/** The arguments of `compileSeccomp`; `cpp/seccomp/profile.h` says what the words are. */
export interface EncodedProfile {
  /** libseccomp's names, the machine's own first. */
  readonly architectures: readonly string[];
  readonly names: readonly string[];
  readonly words: BigUint64Array;
}

/** `SECCOMP_RET_*` of linux/seccomp.h. */
const ACTIONS: Record<string, number> = {
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};

/** `enum scmp_compare` of libseccomp. */
const OPERATORS: Record<string, number> = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
};

/** The instruction sets that one machine can run, by Node's name for it; its own first. */
const RUNNABLE: Record<string, Record<string, string>> = {
  x64: { SCMP_ARCH_X86_64: 'x86_64', SCMP_ARCH_X86: 'x86', SCMP_ARCH_X32: 'x32' },
  arm64: { SCMP_ARCH_AARCH64: 'aarch64', SCMP_ARCH_ARM: 'arm' },
};

/** config-linux.md, "Seccomp": what else `architectures` may name. Such calls cannot happen here. */
const ARCHITECTURES = new Set(
  (
    'X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE ' +
    'S390 S390X PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB'
  )
    .split(' ')
    .map((name) => `SCMP_ARCH_${name}`),
);

/** `SECCOMP_FILTER_FLAG_*` of linux/seccomp.h. A container has one thread when the filter is loaded. */
const FLAGS: Record<string, number> = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
};

const EPERM = 1;
const ENOSYS = 38;
const MAX_ERRNO = 4095;
const ERRNO_EPERM = 0x00050000 | EPERM;
const ERRNO_ENOSYS = 0x00050000 | ENOSYS;

/**
 * Checks and encodes. The machine's own instruction set always takes part, as with runc; others only where
 * `architectures` names them.
 *
 * A system call newer than every one that the profile names gets ENOSYS where the default is EPERM: a C
 * library tries new calls first and falls back from ENOSYS only, and a profile cannot have meant to refuse
 * what it has never heard of. runc does the same since 1.0.0-rc93.
 *
 * @throws CaissonError ERR_INVALID_OPTION, or ERR_UNSUPPORTED_OPTION for SCMP_ACT_NOTIFY.
 */
export function encodeProfile(profile: LinuxSeccomp, arch: string = process.arch): EncodedProfile {
  filterFlags(profile);
  const defaultAction = actionWord(profile.defaultAction, profile.defaultErrnoRet, 'default');
  const names: string[] = [];
  const words: (number | bigint)[] = [
    defaultAction,
    defaultAction === ERRNO_EPERM ? ERRNO_ENOSYS : defaultAction,
  ];
  for (const [index, rule] of (profile.syscalls ?? []).entries()) {
    const where = `syscalls[${index}]`;
    const action = actionWord(rule.action, rule.errnoRet, where);
    for (const conditions of conditionLists(rule)) {
      names.push(...rule.names);
      words.push(rule.names.length, action, conditions.length);
      for (const condition of conditions) words.push(...conditionWords(condition, where));
    }
  }
  return {
    architectures: architecturesOf(profile, arch),
    names,
    words: BigUint64Array.from(words, BigInt),
  };
}

/** The flags for seccomp(2), SECCOMP_SET_MODE_FILTER. */
export function filterFlags(profile: LinuxSeccomp): number {
  let flags = 0;
  for (const name of profile.flags ?? []) {
    if (name === 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV') throw noListener(name);
    const flag = FLAGS[name];
    if (flag === undefined) throw invalid(`flags: unknown flag "${name}"`);
    flags |= flag;
  }
  return flags;
}

/**
 * All conditions of a rule must hold, but where one argument is tested twice, any of them is enough: odd, and
 * what runc and crun do, hence what profiles in use rely on.
 */
function conditionLists(rule: LinuxSyscall): (readonly LinuxSeccompArg[])[] {
  const args = rule.args ?? [];
  const repeats = new Set(args.map((arg) => arg.index)).size < args.length;
  return repeats ? args.map((arg) => [arg]) : [args];
}

function conditionWords(arg: LinuxSeccompArg, where: string): number[] {
  const operator = OPERATORS[arg.op];
  if (operator === undefined) throw invalid(`${where}: unknown operator "${arg.op}"`);
  if (!Number.isInteger(arg.index) || arg.index < 0 || arg.index > 5) {
    throw invalid(`${where}: a system call has arguments 0 to 5, not ${arg.index}`);
  }
  const valueTwo = arg.valueTwo ?? 0;
  for (const value of [arg.value, valueTwo]) {
    // Beyond 2^53, JSON numbers have been rounded to something that nobody wrote.
    if (!Number.isSafeInteger(value) || value < 0) {
      throw invalid(`${where}: ${value} is not an integer from 0 to 2^53 - 1`);
    }
  }
  return [arg.index, operator, arg.value, valueTwo];
}

/** config-linux.md: an errnoRet for an action that has none is an error; without one, it is EPERM. */
function actionWord(action: string, errnoRet: number | undefined, where: string): number {
  if (action === 'SCMP_ACT_NOTIFY') throw noListener(`${where}: SCMP_ACT_NOTIFY`);
  const word = ACTIONS[action];
  if (word === undefined) throw invalid(`${where}: unknown action "${action}"`);
  if (action !== 'SCMP_ACT_ERRNO' && action !== 'SCMP_ACT_TRACE') {
    if (errnoRet !== undefined) throw invalid(`${where}: ${action} takes no errno`);
    return word;
  }
  const errno = errnoRet ?? EPERM;
  if (!Number.isInteger(errno) || errno < 0 || errno > MAX_ERRNO) {
    throw invalid(`${where}: errno ${errno} is not from 0 to ${MAX_ERRNO}`);
  }
  return word + errno;
}

function architecturesOf(profile: LinuxSeccomp, arch: string): string[] {
  const runnable = RUNNABLE[arch];
  if (runnable === undefined) {
    throw new CaissonError('ERR_UNSUPPORTED_OPTION', `seccomp: no filters for ${arch} machines`, {
      stage: 'config',
    });
  }
  const wanted = new Set(profile.architectures ?? []);
  for (const name of wanted) {
    if (!ARCHITECTURES.has(name)) throw invalid(`architectures: unknown architecture "${name}"`);
  }
  return Object.entries(runnable)
    .filter(([name], index) => index === 0 || wanted.has(name))
    .map(([, name]) => name);
}

function invalid(message: string): CaissonError {
  return new CaissonError('ERR_INVALID_OPTION', `seccomp profile: ${message}`, { stage: 'config' });
}

function noListener(what: string): CaissonError {
  return new CaissonError('ERR_UNSUPPORTED_OPTION', `seccomp profile: ${what} is not supported`, {
    stage: 'config',
    hint: 'there is no listener that could answer notifications',
  });
}
