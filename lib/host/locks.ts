/**
 * One lock for each container, and some for what containers share, for changes that must not be mixed: a byte of a file, locked by a descriptor of its own
 * (fcntl(2), open file description locks), so that the kernel takes it back however its holder ends.
 */
import { shortId } from '../base/ids.js';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaissonError } from '../base/errors.js';
import { loadNative } from '../native/load.js';
import { openRunFile } from './run-file.js';

/** In place of a container's id: the lock that is held while a container's name is taken over. */
export const NAMES_LOCK = 'f'.repeat(64);

/** In place of a container's id: the lock that is held while networks are created, changed and removed. */
export const NETWORKS_LOCK = `${'f'.repeat(11)}e${'0'.repeat(52)}`;

/** In place of a container's id: the lock that is held while the shared network of a rootless user is made. */
export const USER_NETWORK_LOCK = `${'f'.repeat(11)}d${'0'.repeat(52)}`;

/** In place of a container's id: the lock that is held while volumes are created and removed, and given to containers. */
export const VOLUMES_LOCK = `${'f'.repeat(11)}c${'0'.repeat(52)}`;

/** In place of a container's id: the lock that is held while a layer is frozen, and while those of containers that are gone are removed. */
export const FROZEN_LAYERS_LOCK = `${'f'.repeat(11)}b${'0'.repeat(52)}`;

/** What such a lock is of, for errors. */
const SHARED: Readonly<Record<string, string>> = {
  [NETWORKS_LOCK]: 'a network',
  [USER_NETWORK_LOCK]: 'a network',
  [VOLUMES_LOCK]: 'a volume',
  [FROZEN_LAYERS_LOCK]: 'a frozen layer',
};

/** Milliseconds; the holder of a lock is starting, changing or removing a container, a network or a volume. */
const PATIENCE = 60_000;
const LONGEST_PAUSE = 20;

/**
 * @param work gets the descriptor that holds the lock: while a copy of it is open anywhere, no other process gets the lock.
 * @throws ERR_STORAGE; ERR_LOCK_TIMEOUT when another process holds it for a minute
 */
export async function withLock<T>(
  runRoot: string,
  id: string,
  work: (lock: number) => Promise<T>,
): Promise<T> {
  const native = loadNative();
  const file = await openRunFile(join(runRoot, 'locks'));
  try {
    const byte = byteOf(id);
    const end = performance.now() + PATIENCE;
    for (
      let pause = 1;
      !native.lockByte(file.fd, byte);
      pause = Math.min(pause * 2, LONGEST_PAUSE)
    ) {
      if (performance.now() > end) {
        throw new CaissonError(
          'ERR_LOCK_TIMEOUT',
          `${SHARED[id] ?? `container ${shortId(id)}`} is being changed by another process`,
          {
            stage: 'config',
            path: id,
            hint: 'another process has held its lock for 60 s',
          },
        );
      }
      await sleep(pause);
    }
    return await work(file.fd);
  } finally {
    await file.close();
  }
}

/** Whether a process holds the lock at this moment. */
export async function isLocked(runRoot: string, id: string): Promise<boolean> {
  const file = await openRunFile(join(runRoot, 'locks'));
  try {
    return !loadNative().lockByte(file.fd, byteOf(id));
  } finally {
    await file.close();
  }
}

function byteOf(id: string): number {
  return Number.parseInt(shortId(id), 16);
}
