/** Locks of files of the store: byte 0, by a descriptor of its own, so that the kernel releases it however its holder ends. */
import { fstatSync, statSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaissonError } from '../../base/errors.js';
import { loadNative } from '../../native/load.js';
import { openForLock } from './layout-paths.js';

/** Milliseconds. */
const LONGEST_PAUSE = 50;

export interface LockOptions {
  /** Default `exclusive`. */
  readonly type?: 'exclusive' | 'shared' | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; default: for ever, since the holder may be downloading. */
  readonly patience?: number | undefined;
  /** Called once, when another process holds the lock. */
  readonly onWait?: (() => void) | undefined;
}

/** @throws ERR_LOCK_TIMEOUT; the signal's reason */
export async function lock(file: FileHandle, path: string, options: LockOptions): Promise<void> {
  const { type = 'exclusive', signal, patience = Infinity, onWait } = options;
  const native = loadNative();
  const end = performance.now() + patience;
  for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    signal?.throwIfAborted();
    if (native.lockByte(file.fd, 0, type)) return;
    if (pause === 1) onWait?.();
    if (performance.now() > end)
      throw new CaissonError('ERR_LOCK_TIMEOUT', `${path} is locked by another process`, {
        stage: 'image',
        path,
        hint: `another process has held its lock for ${Math.round(patience / 1000)} s`,
      });
    await sleep(pause);
  }
}

/** Whether no process holds the lock; then this one does. */
export function tryLock(file: FileHandle, type: 'exclusive' | 'shared' = 'exclusive'): boolean {
  return loadNative().lockByte(file.fd, 0, type);
}

/** Whether the path still leads to the file: its last holder may have renamed or removed it. */
export function isAt(file: FileHandle, path: string): boolean {
  const own = fstatSync(file.fd, { bigint: true });
  const there = statSync(path, { bigint: true, throwIfNoEntry: false });
  return own.ino === there?.ino && own.dev === there.dev;
}

/** Makes the file if it is missing; when this returns, this process holds the lock of the file with that name. */
export async function openLocked(path: string, options: LockOptions = {}): Promise<FileHandle> {
  for (;;) {
    const file = await openForLock(path);
    try {
      await lock(file, path, options);
      if (isAt(file, path)) return file;
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
  }
}
