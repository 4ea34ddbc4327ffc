/** `--cidfile`: a new file with the container's id. */
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { CaissonError } from '../../base/errors.js';
import { storageError } from '../../base/storage.js';

export class CidFile {
  readonly #path: string;
  #fd: number | undefined;

  /** Made before the container: of two commands with the same file, only one succeeds. */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, 'wx', 0o644);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new CaissonError(
        'ERR_INVALID_OPTION',
        code === 'EEXIST'
          ? `cidfile: "${path}" exists already`
          : `cidfile: "${path}" cannot be made: ${code ?? String(cause)}`,
        {
          stage: 'config',
          path,
          errno: code,
          cause,
          hint:
            code === 'EEXIST'
              ? 'remove the file, or make sure that its container is gone'
              : undefined,
        },
      );
    }
  }

  write(id: string): void {
    if (this.#fd === undefined) return;
    try {
      if (writeSync(this.#fd, id) < id.length)
        throw Object.assign(new Error('short write'), { code: 'ENOSPC', syscall: 'write' });
    } catch (cause) {
      throw storageError(this.#path, cause);
    }
    closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** If the container could not be created. */
  remove(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    unlinkSync(this.#path);
  }
}
