/**
 * Host ids for containers with a user namespace of their own: 65,536 each, from the part of the id space that
 * systemd's UIDS-GIDS page sets aside for containers. A range is claimed by locking one byte of a file, so the
 * kernel takes the claim back when the process dies, however it dies, and nothing has to be cleaned. The lock is exclusive
 * for a moment, and then shared: a container that joins the user namespace of another one holds it too, so that the range
 * is free only after the end of the last of them.
 */
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { CaissonError } from '../../base/errors.js';
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
    private readonly file: FileHandle,
    private readonly taken: ReadonlySet<number>,
  ) {
    this.next = Math.floor(Math.random() * RANGES);
  }

  static async open(binding: Binding, lockFile: string): Promise<IdRanges> {
    const taken = await rangesInUse();
    return new IdRanges(binding, lockFile, await open(lockFile, 'a+', 0o600), taken);
  }

  /** A range that no other container on this machine has. */
  claim(): IdRange {
    const free = this.free.pop();
    if (free !== undefined) return rangeOf(free);
    const index = this.lock(this.file);
    this.held.add(index);
    return rangeOf(index);
  }

  /** A range whose claim belongs to the file, and passes to the process that is given its descriptor. */
  async claimApart(): Promise<{ readonly range: IdRange; readonly file: FileHandle }> {
    const file = await open(this.lockFile, 'a+', 0o600);
    try {
      return { range: rangeOf(this.lock(file)), file };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Another hold on the range of a container that runs, which the caller has to make sure of afterwards. */
  async share(base: number): Promise<FileHandle> {
    const file = await open(this.lockFile, 'a+', 0o600);
    if (this.binding.lockByte(file.fd, indexOf(base), 'shared')) return file;
    await file.close();
    throw new CaissonError(
      'ERR_CONTAINER_NOT_RUNNING',
      'the container whose namespaces are joined has ended',
      { stage: 'config' },
    );
  }

  private lock(file: FileHandle): number {
    for (let tries = 0; tries < RANGES; tries++) {
      const candidate = this.next;
      this.next = (this.next + 1) % RANGES;
      if (this.taken.has(candidate) || this.held.has(candidate)) continue;
      if (!this.binding.lockByte(file.fd, candidate)) continue;
      this.binding.lockByte(file.fd, candidate, 'shared');
      return candidate;
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

  /** For the next container of this engine; the lock stays. */
  release({ base }: IdRange): void {
    this.free.push(indexOf(base));
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

function rangeOf(index: number): IdRange {
  return { base: FIRST_ID + index * ID_RANGE_SIZE, size: ID_RANGE_SIZE };
}

function indexOf(base: number): number {
  return (base - FIRST_ID) / ID_RANGE_SIZE;
}

/** Ranges with ids that the host's account files assign to a user or a group. */
async function rangesInUse(): Promise<ReadonlySet<number>> {
  const taken = new Set<number>();
  const add = (first: number, count: number) => {
    const from = Math.max(0, Math.floor((first - FIRST_ID) / ID_RANGE_SIZE));
    const to = Math.min(RANGES - 1, Math.floor((first + count - 1 - FIRST_ID) / ID_RANGE_SIZE));
    for (let index = from; index <= to; index++) taken.add(index);
  };
  const lines = async (path: string) =>
    (await readFile(path, 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'));
  for (const path of ['/etc/subuid', '/etc/subgid']) {
    for (const [, first, count] of await lines(path)) add(Number(first), Number(count));
  }
  for (const path of ['/etc/passwd', '/etc/group']) {
    for (const [, , id] of await lines(path)) add(Number(id), 1);
  }
  return taken;
}
