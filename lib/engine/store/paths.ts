/** Where containers are by default: root's, or this user's (XDG base directories). */
import { lstatSync, mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { CaissonError } from '../../base/errors.js';
import { absolutePath } from '../../base/working-directory.js';
import { DEFAULT_PATHS, type Paths } from '../../base/roots.js';

/**
 * Absolute paths: what is given is relative to the working directory of now.
 *
 * @throws ERR_INVALID_OPTION for what is no path; ERR_NO_PRIVILEGES where this user has no home directory, or another
 *   user has its directory below /tmp.
 */
export function defaultPaths(given: Partial<Paths> = {}): Paths {
  const uid = process.geteuid?.() ?? 0;
  const asked = (name: keyof Paths, usual: () => string): string => {
    const path = given[name];
    return path === undefined ? usual() : absolutePath(name, path);
  };
  return {
    dataRoot: asked('dataRoot', () =>
      uid === 0 ? DEFAULT_PATHS.dataRoot : join(dataHome(), 'caisson'),
    ),
    runRoot: asked('runRoot', () => (uid === 0 ? DEFAULT_PATHS.runRoot : runtimeDirectory(uid))),
  };
}

/** Of the environment; what is missing, empty or not absolute is to be ignored (XDG base directory specification). */
function directoryOf(variable: string): string | undefined {
  const given = process.env[variable];
  return given !== undefined && isAbsolute(given) ? given : undefined;
}

function dataHome(): string {
  return directoryOf('XDG_DATA_HOME') ?? join(directoryOf('HOME') ?? accountHome(), '.local/share');
}

/** What the account says; os.homedir() would ask HOME again. */
function accountHome(): string {
  let home: string | undefined;
  try {
    home = userInfo().homedir;
  } catch {
    // This user has no account.
  }
  if (home !== undefined && isAbsolute(home)) return home;
  throw new CaissonError('ERR_NO_PRIVILEGES', 'this user has no home directory', {
    stage: 'config',
    hint: 'set HOME or XDG_DATA_HOME to an absolute path, or give dataRoot',
  });
}

function runtimeDirectory(uid: number): string {
  const given = directoryOf('XDG_RUNTIME_DIR');
  // After `su` it may belong to another user.
  if (given !== undefined && isOwn(given, uid)) return join(given, 'caisson');
  const path = join(directoryOf('TMPDIR') ?? '/tmp', `caisson-${uid}`);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'EEXIST')
      throw new CaissonError(
        'ERR_NO_PRIVILEGES',
        `${path} cannot be made: ${code ?? String(cause)}`,
        {
          stage: 'config',
          path,
          errno: code,
          hint: 'set XDG_RUNTIME_DIR to a directory of mode 0700 of your own, or TMPDIR to one that exists',
          cause,
        },
      );
  }
  if (!isOwn(path, uid)) {
    throw new CaissonError(
      'ERR_NO_PRIVILEGES',
      `${path} is not a directory that only this user may enter`,
      {
        stage: 'config',
        path,
        hint: 'remove it, or set XDG_RUNTIME_DIR to a directory of mode 0700 of your own',
      },
    );
  }
  return path;
}

/** A directory, no link to one, that no other user may enter. */
function isOwn(path: string, uid: number): boolean {
  try {
    const stats = lstatSync(path);
    return stats.isDirectory() && stats.uid === uid && (stats.mode & 0o077) === 0;
  } catch {
    return false;
  }
}
