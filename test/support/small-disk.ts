/** A file system of its own for a data root: it can be filled, and made read-only. For root. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, statSync, truncateSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export class SmallDisk implements Disposable {
  private constructor(readonly path: string) {}

  /** A tmpfs over the directory. */
  static mount(path: string, size = '8m'): SmallDisk {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'small-disk', path]);
    return new SmallDisk(path);
  }

  private get filler(): string {
    return join(this.path, 'filler');
  }

  resize(size: string): void {
    execFileSync('mount', ['-o', `remount,size=${size}`, this.path]);
  }

  /**
   * From here on nothing can be written: ENOSPC.
   *
   * @param left bytes that can be written nevertheless
   */
  fill(left = 0): void {
    const fd = openSync(this.filler, 'a');
    try {
      for (let size = 1 << 16; size >= 1; size = size > 4096 ? size >> 1 : size >> 4)
        while (writeSync(fd, Buffer.alloc(size)) === size);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(fd);
    }
    if (left > 0) truncateSync(this.filler, Math.max(0, statSync(this.filler).size - left));
  }

  free(): void {
    unlinkSync(this.filler);
  }

  /** EROFS, or as it was. */
  readOnly(on: boolean): void {
    const options = `remount,bind,${on ? 'ro' : 'rw'}`;
    execFileSync('mount', ['-o', options, this.path], { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  [Symbol.dispose](): void {
    execFileSync('umount', ['-l', this.path]);
  }
}
