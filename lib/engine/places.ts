/** Where containers are, unless somebody says otherwise: root's, or this user's (XDG base directories). */
import { lstatSync, mkdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { CaissonError } from '../errors.js';
import { DEFAULT_PLACES, type Places } from './store.js';

/** @throws ERR_NO_PRIVILEGES where somebody else has this user's place below /tmp. */
export function defaultPlaces(given: Partial<Places> = {}): Places {
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) return { ...DEFAULT_PLACES, ...given };
  return {
    dataRoot: given.dataRoot ?? join(dataHome(), 'caisson'),
    runRoot: given.runRoot ?? runtimeDirectory(uid),
  };
}

function dataHome(): string {
  const given = process.env['XDG_DATA_HOME'];
  // What is not absolute is to be ignored (XDG base directory specification).
  if (given !== undefined && isAbsolute(given)) return given;
  const home = process.env['HOME'] ?? homedir();
  return join(home, '.local/share');
}

function runtimeDirectory(uid: number): string {
  const given = process.env['XDG_RUNTIME_DIR'];
  // After `su` it may be somebody else's.
  if (given !== undefined && isAbsolute(given) && isOwn(given, uid)) return join(given, 'caisson');
  const path = join(tmpdir(), `caisson-${uid}`);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch {
    // It is there, or that is said below.
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

/** A directory, no link to one, into which nobody else can put anything. */
function isOwn(path: string, uid: number): boolean {
  try {
    const stats = lstatSync(path);
    return stats.isDirectory() && stats.uid === uid && (stats.mode & 0o077) === 0;
  } catch {
    return false;
  }
}
