/** Files of the data and run directories, which are replaced atomically, and the errors if that fails. */
import { readFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { CaissonError } from './errors.js';
import { isErrno } from './errno.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on its file system',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'its file system is read-only',
  EIO: 'the disk reported an error',
};

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'remove containers that are not needed (caisson prune), or choose another data root',
  EDQUOT: 'remove containers that are not needed (caisson prune), or choose another data root',
};

/** Why a file cannot be written, if the disk is the reason; undefined for any other errno. */
export function storageReason(errno: string): string | undefined {
  return REASONS[errno];
}

/** The remedy for a disk that cannot be written. */
export function storageHint(errno: string): string | undefined {
  return HINTS[errno];
}

/** ERR_STORAGE for a disk that is full, over its quota, read-only or broken; another error is returned as it is. */
export function storageError(path: string, cause: unknown): unknown {
  const { code = '', syscall } = cause as NodeJS.ErrnoException;
  const reason = cause instanceof CaissonError ? undefined : storageReason(code);
  if (reason === undefined) return cause;
  return new CaissonError('ERR_STORAGE', `cannot write ${path}: ${reason}`, {
    stage: 'config',
    path,
    syscall,
    errno: code,
    hint: storageHint(code),
    cause,
  });
}

/** Whether the disk is full, while existing files can still be read, changed in place and removed. */
export function isFull(error: unknown): boolean {
  return (
    isErrno(error, 'ENOSPC', 'EDQUOT') ||
    (error instanceof CaissonError && (error.errno === 'ENOSPC' || error.errno === 'EDQUOT'))
  );
}

let serial = 0;

/**
 * The next content of a file, written beside it. Once it exists, nothing that follows needs more space on the disk. A
 * change of several files commits it last, after all others, and deletes it if one of them has failed.
 */
export class StagedFile {
  private constructor(
    private readonly path: string,
    private readonly next: string,
  ) {}

  /**
   * @param flush whether the content is on the disk before the file is renamed: after a power cut it is the old or the new one.
   * @throws ERR_STORAGE
   */
  static async write(path: string, text: string | Uint8Array, flush = false): Promise<StagedFile> {
    const staged = new StagedFile(path, `${path}.${process.pid}-${serial++}`);
    try {
      await writeFile(staged.next, text, { mode: 0o600, flush });
    } catch (error) {
      await staged.remove();
      throw storageError(path, error);
    }
    return staged;
  }

  /** @throws ERR_STORAGE; the file is as it was then. */
  async commit(): Promise<void> {
    try {
      await rename(this.next, this.path);
    } catch (error) {
      await this.remove();
      throw storageError(this.path, error);
    }
  }

  async remove(): Promise<void> {
    await rm(this.next, { force: true }).catch(() => undefined);
  }
}

/** Undefined where there is no such file. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Undefined for what is not JSON. */
export function parseJson(
  text: string,
  revive?: (key: string, value: unknown) => unknown,
): unknown {
  try {
    return JSON.parse(text, revive) as unknown;
  } catch {
    return undefined;
  }
}
