/**
 * Host ids for containers with a user namespace of their own: 65,536 each, from the part of the id space that
 * systemd's UIDS-GIDS page sets aside for containers. A range is claimed by locking one byte of a file, so the
 * kernel takes the claim back when the process dies, however it dies, and nothing has to be cleaned. The lock is exclusive
 * for a moment, and then shared: a container that joins the user namespace of another one holds it too, so that the range
 * is free only after the end of the last of them.
 *
 * If something removes the file while containers run, no other process sees their claims any more. The engine that makes a new
 * one writes into it which ranges are in use according to the kernel, and these are not claimed again.
 */
import {
  closeSync,
  fstatSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { threadId } from 'node:worker_threads';
import { isErrno } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';
import { smallFile } from '../../base/small-file.js';
import { storageError } from '../../base/storage.js';
import { mappedIds } from '../../host/mapped-ids.js';
import { checkOwnDirectory, makeDirectory } from '../../host/private-directory.js';
import type { Binding } from '../../native/binding.js';
import { FIRST_CONTAINER_ID, ID_RANGE_SIZE } from '../options/config.js';

/** First and last host id for containers. */
const FIRST_ID = FIRST_CONTAINER_ID;
const LAST_ID = 1_879_048_191;
const RANGES = Math.floor((LAST_ID - FIRST_ID + 1) / ID_RANGE_SIZE);

export interface IdRange {
  readonly base: number;
  readonly size: number;
}

export class IdRanges {
  private readonly free: number[] = [];
  private next: number;
  private readonly held = new Set<number>();

  private constructor(
    private readonly binding: Binding,
    private readonly lockFile: string,
    private claims: ClaimFile,
    private readonly assigned: ReadonlySet<number>,
  ) {
    this.next = Math.floor(Math.random() * RANGES);
  }

  static open(binding: Binding, lockFile: string): IdRanges {
    return new IdRanges(binding, lockFile, openClaims(lockFile), assignedRanges());
  }

  /** A range that no other container on this machine has. */
  claim(): IdRange {
    this.renew();
    const free = this.free.pop();
    if (free !== undefined) return rangeOf(free);
    const index = this.lock(this.claims.fd);
    this.held.add(index);
    return rangeOf(index);
  }

  /** A range whose claim belongs to the file, and passes to the process that is given its descriptor. */
  async claimApart(): Promise<{ readonly range: IdRange; readonly file: FileHandle }> {
    this.renew();
    const file = await open(this.lockFile, 'r+');
    try {
      return { range: rangeOf(this.lock(file.fd)), file };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Another hold on the range of a container that runs, which the caller has to make sure of afterwards. */
  async share(base: number): Promise<FileHandle> {
    this.renew();
    const file = await open(this.lockFile, 'r+');
    if (this.binding.lockByte(file.fd, indexOf(base), 'shared')) return file;
    await file.close();
    throw new CaissonError(
      'ERR_CONTAINER_NOT_RUNNING',
      'the container whose namespaces are joined has ended',
      { stage: 'config' },
    );
  }

  /** Claims the ranges of this engine in a new file, if the one before was removed. */
  private renew(): void {
    if (fstatSync(this.claims.fd).nlink > 0) return;
    const claims = openClaims(this.lockFile);
    for (const index of this.held) {
      if (this.tryLock(claims.fd, index)) continue;
      // Another engine was faster. A container of this one that runs is among those that the new file names.
      this.held.delete(index);
      this.free.splice(0, Infinity, ...this.free.filter((free) => free !== index));
    }
    closeSync(this.claims.fd);
    this.claims = claims;
  }

  private lock(fd: number): number {
    for (let tries = 0; tries < RANGES; tries++) {
      const candidate = this.next;
      this.next = (this.next + 1) % RANGES;
      if (this.assigned.has(candidate) || this.held.has(candidate)) continue;
      if (!this.claims.inUse.has(candidate) && this.tryLock(fd, candidate)) return candidate;
    }
    throw new CaissonError(
      'ERR_START_FAILED',
      'no range of host ids is free for another container',
      {
        stage: 'config',
        hint: `containers have the ids ${FIRST_ID} to ${LAST_ID}; userns "host" needs none`,
      },
    );
  }

  private tryLock(fd: number, index: number): boolean {
    return this.binding.lockByte(fd, index) && this.binding.lockByte(fd, index, 'shared');
  }

  /** For the next container of this engine; the lock stays. */
  release({ base }: IdRange): void {
    this.free.push(indexOf(base));
  }

  close(): void {
    closeSync(this.claims.fd);
  }
}

interface ClaimFile {
  readonly fd: number;
  /** Ranges that were in use when it was made. */
  readonly inUse: ReadonlySet<number>;
}

/** @throws ERR_STORAGE, ERR_NO_PRIVILEGES */
function openClaims(path: string): ClaimFile {
  try {
    for (;;) {
      const fd = openIfThere(path);
      if (fd === undefined) makeClaims(path);
      else return { fd, inUse: new Set(readFileSync(fd, 'utf8').split(' ').filter(Boolean).map(Number)) }; // prettier-ignore
    }
  } catch (error) {
    throw storageError(path, error);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Whole from the beginning, for other engines. */
function makeClaims(path: string): void {
  makeDirectory(dirname(path));
  checkOwnDirectory(dirname(path));
  // A process may have all ids of the host, or some that are assigned to its user: these are not claimed.
  const inUse = mappedIds()
    .filter(({ first, count }) => count === ID_RANGE_SIZE && Number.isInteger(indexOf(first)))
    .map(({ first }) => indexOf(first));
  const staged = `${path}.${process.pid}-${threadId}`;
  try {
    writeFileSync(staged, inUse.join(' '), { mode: 0o600 });
    linkSync(staged, path);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  } finally {
    rmSync(staged, { force: true });
  }
}

function rangeOf(index: number): IdRange {
  return { base: FIRST_ID + index * ID_RANGE_SIZE, size: ID_RANGE_SIZE };
}

function indexOf(base: number): number {
  return (base - FIRST_ID) / ID_RANGE_SIZE;
}

/** Ranges with ids that the host's account files assign to a user or a group. */
function assignedRanges(): ReadonlySet<number> {
  const assigned = new Set<number>();
  const lines = (path: string) =>
    (smallFile(path) ?? '').split('\n').map((line) => line.split(':'));
  for (const path of ['/etc/subuid', '/etc/subgid']) {
    for (const [, first, count] of lines(path)) addRanges(assigned, Number(first), Number(count));
  }
  for (const path of ['/etc/passwd', '/etc/group']) {
    for (const [, , id] of lines(path)) addRanges(assigned, Number(id), 1);
  }
  return assigned;
}

/** Those that these ids are in. */
function addRanges(indices: Set<number>, first: number, count: number): void {
  const from = Math.max(0, Math.floor((first - FIRST_ID) / ID_RANGE_SIZE));
  const to = Math.min(RANGES - 1, Math.floor((first + count - 1 - FIRST_ID) / ID_RANGE_SIZE));
  for (let index = from; index <= to; index++) indices.add(index);
}
