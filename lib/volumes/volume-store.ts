/**
 * Volumes on disk: `<dataRoot>/volumes/<name>/{volume.json,_data}`. There is a volume exactly if its file is there: it is written
 * last, by rename, and removed first. What a killed process has left without a file is removed by the next one that takes the name,
 * or removes anything. A directory that is being removed has a name that no volume can have.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, fsyncSync, openSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../base/errno.js';
import { CaissonError } from '../base/errors.js';
import type { Paths } from '../base/roots.js';
import { readIfThere, StagedFile, storageError } from '../base/storage.js';
import { makeDirectory } from '../host/private-directory.js';
import { parseVolume, type StoredVolume } from './stored-volume.js';
import { isVolumeName } from './volume-name.js';

const FILE = 'volume.json';
/** Of an anonymous volume: a file for each detached container that has it. */
const USERS = 'users';

/** Of directories that are being removed. */
const REMOVED = '.removed-';

/** Removes a tree whose files may belong to ids of containers. */
export type RemoveTree = (path: string) => Promise<void>;

/** Which volumes runs have (volume-holds.ts). */
export interface VolumeLocks {
  /** False, and nothing is done, if a run of any process has it. */
  whileFree(name: string, work: () => void): boolean;
}

export class VolumeStore {
  readonly directory: string;

  constructor(private readonly paths: Paths) {
    this.directory = volumesIn(paths.dataRoot);
  }

  // ---- finding

  /** In no order. A damaged one is left out. */
  all(): StoredVolume[] {
    return this.names().flatMap((name) => this.read(name) ?? []);
  }

  /** Of all that have a file, damaged or not. */
  names(): string[] {
    try {
      return readdirSync(this.directory).filter(
        (name) => isVolumeName(name) && readIfThere(this.file(name)) !== undefined,
      );
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }

  private read(name: string): StoredVolume | undefined {
    return parsed(name, readIfThere(this.file(name)));
  }

  /** Undefined when there is no such volume. @throws ERR_DAMAGED_STATE */
  get(name: string): StoredVolume | undefined {
    if (typeof name !== 'string' || !isVolumeName(name)) return undefined;
    const path = this.file(name);
    // Once: another process may remove it at this moment.
    const text = readIfThere(path);
    if (text === undefined) return undefined;
    const volume = parsed(name, text);
    if (volume !== undefined) return volume;
    throw new CaissonError('ERR_DAMAGED_STATE', `volume ${name}: ${path} is damaged`, {
      stage: 'config',
      path,
      hint: `its files are in ${this.dataOf(name)}; caisson volume rm ${name} removes all of it`,
    });
  }

  /** @throws ERR_NO_SUCH_VOLUME, ERR_DAMAGED_STATE */
  find(name: string): StoredVolume {
    const volume = this.get(name);
    if (volume === undefined) throw noSuchVolume(name);
    return volume;
  }

  /** The directory that a container is given. */
  dataOf(name: string): string {
    return dataOf(this.directory, name);
  }

  file(name: string): string {
    return join(this.directory, name, FILE);
  }

  // ---- changing

  /**
   * Runs `work` while no other process creates or removes volumes, or gives them to containers. Not within itself.
   *
   * @throws ERR_LOCK_TIMEOUT
   */
  async locked<T>(work: () => T | Promise<T>): Promise<T> {
    // Loaded only now, as it takes the addon.
    const { VOLUMES_LOCK, withLock } = await import('../host/locks.js');
    return withLock(this.paths.runRoot, VOLUMES_LOCK, async () => work());
  }

  /** There is none of that name. The caller holds the lock. @throws ERR_STORAGE */
  async add(volume: StoredVolume, removeTree: RemoveTree): Promise<void> {
    const directory = join(this.directory, volume.name);
    const data = this.dataOf(volume.name);
    try {
      makeDirectory(this.directory);
      await this.moveAway(volume.name, removeTree);
      await mkdir(directory, { mode: 0o700 });
      await mkdir(data);
      // Whatever the umask is.
      chmodSync(data, 0o755);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw storageError(directory, error);
    }
    try {
      const staged = await StagedFile.write(this.file(volume.name), `${JSON.stringify(volume)}\n`);
      await staged.commit();
      // A container's data is in it: it is to be there after a power failure, too.
      syncDirectory(directory);
      syncDirectory(this.directory);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /**
   * A container is created that has an anonymous volume. The file says so to the supervisors of others that have it
   * (cpp/steps/teardown.cpp), which remove the volume with the last of them. The caller holds the lock.
   *
   * @param made it was created for this container
   * @throws ERR_NO_SUCH_VOLUME if it is being removed; ERR_STORAGE
   */
  async addUser(name: string, id: string, made: boolean): Promise<void> {
    const users = join(this.directory, name, USERS);
    try {
      if (made) await mkdir(users, { mode: 0o700 });
      await writeFile(join(users, id), '', { mode: 0o600 });
    } catch (error) {
      throw isErrno(error, 'ENOENT') ? noSuchVolume(name) : storageError(users, error);
    }
  }

  /** The container is gone. */
  async removeUser(name: string, id: string): Promise<void> {
    await rm(join(this.directory, name, USERS, id), { force: true }).catch(() => undefined);
  }

  /**
   * Removes a volume that no detached container has. The caller holds the lock; what is returned removes the files, and can be done
   * after that.
   *
   * @throws ERR_VOLUME_IN_USE if a run of this or another process has it; ERR_STORAGE
   */
  async remove(
    name: string,
    locks: VolumeLocks,
    removeTree: RemoveTree,
  ): Promise<() => Promise<void>> {
    const file = this.file(name);
    try {
      if (!locks.whileFree(name, () => rmSync(file, { force: true }))) throw volumeInUse(name, []);
    } catch (error) {
      throw storageError(file, error);
    }
    const moved = await this.moveAway(name);
    return () => (moved === undefined ? Promise.resolve() : removeTree(moved));
  }

  /** What is there of a name without a file, or with one that was just removed. */
  private async moveAway(name: string, removeTree?: RemoveTree): Promise<string | undefined> {
    const moved = join(this.directory, `${REMOVED}${randomBytes(8).toString('hex')}`);
    try {
      await rename(join(this.directory, name), moved);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw storageError(moved, error);
    }
    await removeTree?.(moved);
    return moved;
  }

  /** Removes what killed processes have left. The caller holds the lock. */
  async removeUnfinished(removeTree: RemoveTree): Promise<void> {
    let entries: string[] = [];
    try {
      entries = readdirSync(this.directory);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    for (const entry of entries)
      if (entry.startsWith(REMOVED)) await removeTree(join(this.directory, entry));
      else if (isVolumeName(entry) && readIfThere(this.file(entry)) === undefined)
        await this.moveAway(entry, removeTree);
  }
}

function parsed(name: string, text = ''): StoredVolume | undefined {
  const volume = parseVolume(text);
  return volume?.name === name ? volume : undefined;
}

/** Of a data root: where its volumes are. */
export function volumesIn(dataRoot: string): string {
  return join(dataRoot, 'volumes');
}

/** @param volumes of `volumesIn` */
export function dataOf(volumes: string, name: string): string {
  return `${volumes}/${name}/_data`;
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } catch (error) {
    if (!isErrno(error, 'EINVAL', 'ENOTSUP')) throw error;
  } finally {
    closeSync(fd);
  }
}

export function noSuchVolume(name: unknown): CaissonError {
  const text = typeof name === 'string' ? name : String(name);
  return new CaissonError('ERR_NO_SUCH_VOLUME', `get ${text}: no such volume`, {
    stage: 'config',
    path: text,
  });
}

/** @param users long ids of detached containers; empty: runs have it */
export function volumeInUse(name: string, users: readonly string[]): CaissonError {
  const by = users.length === 0 ? 'by a run' : `- [${users.join(', ')}]`;
  return new CaissonError('ERR_VOLUME_IN_USE', `remove ${name}: volume is in use ${by}`, {
    stage: 'config',
    path: name,
    hint:
      users.length === 0
        ? 'it is free when the run has ended'
        : 'remove these containers first (caisson rm)',
  });
}
