/** The errors of work on a container's files. */
import { constants } from 'node:os';
import { errnoName } from '../base/errno.js';
import { CaissonError } from '../base/errors.js';
import type { ViewTask } from './view.js';

/** What the process has reported. */
export interface ViewFailure {
  readonly errno: number;
  /** A system call, or the name of a refusal (cpp/tar/refusal.h). */
  readonly call: string;
  readonly path: string;
}

const { ENOENT, ENOTDIR, EISDIR, EEXIST, EBADMSG, EXDEV, EROFS, ESRCH, EPERM, EINVAL } =
  constants.errno;

/** @param killedBy the signal that has ended the process, if one has */
export function viewError(
  task: ViewTask,
  { errno, call, path }: ViewFailure,
  killedBy?: string,
): CaissonError {
  const details = { stage: 'files', path, syscall: call, errno: errnoName(errno) } as const;
  const failed = (message: string, hint?: string) =>
    new CaissonError('ERR_FILES_FAILED', message, { ...details, hint });
  if (errno === 0)
    return new CaissonError(
      'ERR_FILES_FAILED',
      `the process that ${WORK[task.kind]} ended early${killedBy === undefined ? '' : `, by ${killedBy}`}`,
      { stage: 'files' },
    );
  switch (errno) {
    case ENOENT:
      return new CaissonError('ERR_NO_SUCH_FILE', `${path}: no such file or directory`, details);
    case ESRCH:
      if (call !== 'pidfd_open' && call !== 'openat') break;
      return new CaissonError('ERR_CONTAINER_NOT_RUNNING', 'the container has ended', {
        stage: 'files',
      });
    case EBADMSG:
      return new CaissonError('ERR_INVALID_ARCHIVE', `the archive is not valid: ${call}`, {
        stage: 'files',
        path,
      });
    case EISDIR:
      if (call === 'unlinkat') return failed(`${path}: cannot replace a directory by a file`);
      break;
    case ENOTDIR:
      if (call === 'mkdirat') return failed(`${path}: cannot replace a file by a directory`);
      return failed(`${path}: not a directory`);
    case EEXIST:
      return failed(`${path}: exists`);
    case EXDEV:
      return new CaissonError(
        'ERR_INVALID_ARCHIVE',
        `${path}: a name that leads out of the directory`,
        details,
      );
    case EROFS:
      return failed(`${path}: the file system is read-only`);
    case EPERM:
      if (call === 'mknodat')
        return failed(
          `${path}: device nodes cannot be made in a user namespace`,
          'userns "host" has them',
        );
      break;
    case EINVAL:
      if (call === 'fchownat')
        return failed(
          `${path}: the owner is not one of the container's ids`,
          'userns "host" has all ids',
        );
      break;
  }
  return failed(`${path === '' ? WORK[task.kind] : path}: ${call}: ${errnoName(errno)}`);
}

const WORK: Readonly<Record<ViewTask['kind'], string>> = {
  diff: 'compares the layers',
  layer: 'packs the changed files',
  export: 'exports the files',
  pack: 'copies files',
  extract: 'copies files',
  stat: 'looks at files',
  serve: 'has the files',
};
