/** The error of a program that could not be executed. */
import { CaissonError } from '../../base/errors.js';
import type { NativeError } from '../../native/binding.js';
import { SEE_AUDIT, SELINUX_DENIES } from './failure-hints.js';

/** Missing is 127, not executable 126; a missing interpreter or loader is named. */
export function execFailure(
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
