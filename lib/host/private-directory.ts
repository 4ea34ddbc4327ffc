/** Directories that no other user may change. */
import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync } from 'node:fs';
import { isErrno } from '../base/errno.js';
import { CaissonError } from '../base/errors.js';
import { storageError } from '../base/storage.js';

/** @throws ERR_NO_PRIVILEGES, ERR_INVALID_OPTION, ERR_STORAGE */
export function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    // A link has the name: checkOwnDirectory() refuses it.
    if (isLink(path)) return;
    const { code } = cause as NodeJS.ErrnoException;
    if (isErrno(cause, 'ENOTDIR', 'EEXIST', 'ELOOP', 'ENAMETOOLONG', 'ENOENT'))
      throw new CaissonError('ERR_INVALID_OPTION', `${path} cannot be made: ${code}`, {
        stage: 'config',
        path,
        errno: code,
        hint: 'choose other directories: dataRoot and runRoot',
        cause,
      });
    if (!isErrno(cause, 'EACCES', 'EPERM', 'EROFS')) throw storageError(path, cause);
    throw new CaissonError('ERR_NO_PRIVILEGES', `${path} cannot be made by this user`, {
      stage: 'config',
      path,
      hint: 'choose directories of your own: dataRoot and runRoot, or HOME and XDG_RUNTIME_DIR',
      cause,
    });
  }
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

/**
 * The path has to be a directory, no link to one, that belongs to this user and that no other user may write to.
 *
 * @throws ERR_NO_PRIVILEGES
 */
export function checkOwnDirectory(path: string): void {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  let lack: string | undefined;
  try {
    const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      const { uid, mode } = fstatSync(fd);
      if (uid !== process.geteuid?.()) lack = `belongs to user ${uid}`;
      else if ((mode & 0o022) !== 0) lack = 'can be written to by other users';
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (!isErrno(error, 'ELOOP', 'ENOTDIR', 'EACCES')) throw error;
    lack = isErrno(error, 'EACCES') ? 'cannot be read by this user' : 'is a link, or no directory';
  }
  if (lack === undefined) return;
  throw new CaissonError('ERR_NO_PRIVILEGES', `${path} ${lack}`, {
    stage: 'config',
    path,
    hint: 'dataRoot and runRoot have to be directories of the user that runs caisson, and no other user may write to them',
  });
}
