/** WORKDIR, and the directories that COPY makes. */
import { posix } from 'node:path';
import { CaissonError } from '../../base/errors.js';
import type { FileStat } from '../../archive/file-stat.js';
import type { ContainerFiles } from '../container/file-access.js';
import type { DirectoryStep } from '../../build/stage-state.js';
import { cacheKey } from '../../build/build-cache.js';
import type { BuildSession, StageFiles } from './build-session.js';
import { withChanges, withContainer } from './stage-files.js';

export function directoryKey(files: StageFiles, { path }: DirectoryStep): string {
  return cacheKey('directory', files.manifest, path);
}

/** The same files if it is there. */
export function ensureDirectory(
  session: BuildSession,
  files: StageFiles,
  { path }: DirectoryStep,
): Promise<StageFiles> {
  return withContainer(session, files, async (container) => {
    if ((await statIfThere(container.files, path))?.isDirectory === true) return files;
    await makeDirectories(container.files, path);
    return withChanges(session, files, container);
  });
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Those that are missing, with the mode 0755. @param owner default: root */
export async function makeDirectories(
  files: ContainerFiles,
  path: string,
  owner?: Owner,
): Promise<void> {
  const missing: string[] = [];
  for (let at = path; at !== '/'; at = posix.dirname(at)) {
    const found = await statIfThere(files, at);
    if (found?.isDirectory === true) break;
    if (found !== undefined)
      throw new CaissonError('ERR_FILES_FAILED', `${at} is no directory`, {
        stage: 'build',
        path: at,
        errno: 'ENOTDIR',
      });
    missing.unshift(at);
  }
  for (const directory of missing) {
    await files.mkdir(directory);
    if (owner !== undefined) await files.chown(directory, owner.uid, owner.gid);
  }
}

/** Links are followed. */
export async function statIfThere(
  files: ContainerFiles,
  path: string,
): Promise<FileStat | undefined> {
  try {
    return await files.stat(path, { follow: true });
  } catch (error) {
    const { code, errno } = error as CaissonError;
    if (code === 'ERR_NO_SUCH_FILE' || errno === 'ENOTDIR') return undefined;
    throw error;
  }
}
