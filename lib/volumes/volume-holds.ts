/**
 * The volumes that this process has given to runs (`Engine.run`), which have no file that says so: a shared lock on a byte of each
 * volume's file, from the first of its runs to the end of the last one. The kernel releases it if the process dies.
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { isErrno } from '../base/errno.js';
import type { Binding } from '../native/binding.js';
import { parseVolume } from './stored-volume.js';
import { type VolumeLocks, volumesIn } from './volume-store.js';

interface Hold {
  readonly fd: number;
  /** It is a directory of caisson's. */
  readonly plain: boolean;
  users: number;
}

export class VolumeHolds implements VolumeLocks {
  private readonly holds = new Map<string, Hold>();
  private readonly directory: string;

  constructor(
    private readonly binding: Pick<Binding, 'lockByte'>,
    dataRoot: string,
  ) {
    this.directory = volumesIn(dataRoot);
  }

  /** All of them, or none; false: one of them does not exist. */
  acquire(names: readonly string[]): boolean {
    for (let index = 0; index < names.length; index++) {
      if (this.take(names[index] ?? '')) continue;
      this.release(names.slice(0, index));
      return false;
    }
    return true;
  }

  /** Whether all of them, which are held, are directories of caisson's: what templates are compiled for. */
  arePlain(names: readonly string[]): boolean {
    return names.every((name) => this.holds.get(name)?.plain === true);
  }

  release(names: readonly string[]): void {
    for (const name of names) {
      const hold = this.holds.get(name);
      if (hold === undefined || --hold.users > 0) continue;
      this.holds.delete(name);
      closeSync(hold.fd);
    }
  }

  /** The caller holds the lock of all volumes. */
  whileFree(name: string, work: () => void): boolean {
    if (this.holds.has(name)) return false;
    const fd = this.open(name);
    try {
      if (fd !== undefined && !this.binding.lockByte(fd, 0)) return false;
      work();
      return true;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  private take(name: string): boolean {
    const held = this.holds.get(name);
    if (held !== undefined) {
      held.users++;
      return true;
    }
    const fd = this.open(name);
    if (fd === undefined) return false;
    // The process that removes it has its file locked, or has removed that before this lock.
    if (!this.binding.lockByte(fd, 0, 'shared') || fstatSync(fd).nlink === 0) {
      closeSync(fd);
      return false;
    }
    const { options = undefined } = parseVolume(readFileSync(fd, 'utf8')) ?? {};
    const plain = options !== undefined && Object.keys(options).length === 0;
    this.holds.set(name, { fd, plain, users: 1 });
    return true;
  }

  private open(name: string): number | undefined {
    try {
      // Locks of a whole descriptor, exclusive ones too, need one that can be written to (fcntl(2)).
      return openSync(`${this.directory}/${name}/volume.json`, 'r+');
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }
}
