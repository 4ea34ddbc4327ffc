/**
 * What Docker's rules say of the paths of a copy: whether the source or what is in it is meant, and under which name it arrives
 * (docs.docker.com, "docker container cp"; moby pkg/archive/copy.go). Nothing here looks at a file.
 */
import { posix } from 'node:path';
import { CaissonError } from '../base/errors.js';

/** The source of a copy, or its destination. */
export interface CopyPlace {
  /** As it was given, or where its links lead. */
  readonly path: string;
  readonly exists: boolean;
  readonly isDirectory: boolean;
}

/** How a copy is carried out: what is packed under this name is extracted into this directory. */
export interface CopyPlan {
  readonly directory: string;
  /** What names in the archive begin with; `.`: the content of a directory goes into the directory itself. */
  readonly name: string;
}

/** `CONTAINER:PATH` of a command line; undefined for a path of the host. */
export function splitContainerPath(
  argument: string,
): { readonly container: string; readonly path: string } | undefined {
  if (argument.startsWith('/') || argument.startsWith('.')) return undefined;
  const colon = argument.indexOf(':');
  if (colon < 0) return undefined;
  return { container: argument.slice(0, colon), path: argument.slice(colon + 1) };
}

/** The path ends with a slash, or with `/.`: it is to be a directory. */
export function assertsDirectory(path: string): boolean {
  return path.endsWith('/') || specifiesContent(path);
}

/** What is in the directory is meant, and not the directory. */
export function specifiesContent(path: string): boolean {
  return posix.basename(path) === '.';
}

/** The absolute path in a container; what its end says is kept. */
export function containerPath(path: string): string {
  const clean = posix.join('/', path);
  const bare = clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
  if (specifiesContent(path)) return bare === '/' ? '/.' : `${bare}/.`;
  return path.endsWith('/') && bare !== '/' ? `${bare}/` : bare;
}

/** A directory, and the name in it; `.` where the content of the directory is meant. */
export function splitEntry(path: string): { readonly directory: string; readonly name: string } {
  const clean = posix.normalize(path).replace(/(?<=.)\/$/, '');
  if (specifiesContent(path)) return { directory: clean, name: '.' };
  if (clean === '/') return { directory: '/', name: '/' };
  return { directory: posix.dirname(clean), name: posix.basename(clean) };
}

/**
 * Where what is copied arrives, and as what.
 *
 * @param name of the source: its last component
 * @throws ERR_FILES_FAILED, ERR_NO_SUCH_FILE
 */
export function planCopy(
  source: Pick<CopyPlace, 'isDirectory'> & { readonly name: string },
  destination: CopyPlace,
): CopyPlan {
  const { directory, name } = splitEntry(destination.path);
  if (destination.exists) {
    if (destination.isDirectory) return { directory: destination.path, name: source.name };
    if (source.isDirectory)
      throw new CaissonError('ERR_FILES_FAILED', 'cannot copy directory', {
        stage: 'files',
        path: destination.path,
        hint: 'the destination is a file',
      });
    return { directory, name };
  }
  if (!source.isDirectory && assertsDirectory(destination.path))
    throw new CaissonError('ERR_NO_SUCH_FILE', 'no such directory', {
      stage: 'files',
      path: destination.path,
    });
  return { directory, name };
}
