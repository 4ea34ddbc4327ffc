/**
 * Which images this process runs containers of: a shared lock of the manifest's blob, taken with the first container of an image and
 * released with the last. A garbage collection keeps what is locked (decision 0026).
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../base/errno.js';
import { loadNative } from '../../native/load.js';
import { noSuchImage } from './no-such-image.js';

export interface ImageHold {
  release(): void;
}

interface Held {
  readonly fd: number;
  count: number;
}

/** By the path of the manifest. */
const held = new Map<string, Held>();

/** A collection has the lock for as long as it takes to look at one blob, or to remove the image. Milliseconds. */
const PATIENCE = 1000;

/**
 * Synchronous: a start that was compiled before waits for nothing else.
 *
 * @param digest of the manifest
 * @throws ERR_NO_SUCH_IMAGE: it was removed meanwhile
 */
export function holdImage(dataRoot: string, digest: string, name: string): ImageHold {
  const path = join(dataRoot, 'images/blobs', digest.replace(':', '/'));
  let hold = held.get(path);
  if (hold === undefined) held.set(path, (hold = { fd: lockShared(path, name), count: 0 }));
  hold.count++;
  let released = false;
  return {
    release: () => {
      if (released) return;
      released = true;
      if (--hold.count > 0) return;
      held.delete(path);
      closeSync(hold.fd);
    },
  };
}

function lockShared(path: string, name: string): number {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    throw isErrno(error, 'ENOENT') ? noSuchImage(name) : error;
  }
  const native = loadNative();
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const end = performance.now() + PATIENCE;
  while (!native.lockByte(fd, 0, 'shared')) {
    if (performance.now() > end) break;
    Atomics.wait(clock, 0, 0, 1);
  }
  if (performance.now() <= end && fstatSync(fd).nlink > 0) return fd;
  closeSync(fd);
  throw noSuchImage(name);
}
