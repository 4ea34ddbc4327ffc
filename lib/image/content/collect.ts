/**
 * The garbage collection (decision 0026): removes blobs and layers that neither the index, nor a container, nor a
 * running operation needs, and what dead processes have left.
 */
import { closeSync, constants, openSync, rmSync, statSync } from 'node:fs';
import { lstat, open, readdir, rename, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../base/errno.js';
import { newId } from '../../base/ids.js';
import { parseJson, readIfThere } from '../../base/storage.js';
import { loadNative } from '../../native/load.js';
import { tryLock } from './file-locks.js';
import { readIndex } from './image-index.js';
import type { LayoutPaths } from './layout-paths.js';
import { pinnedDigests, PIN_PREFIX } from './lease.js';
import { LiveDigests } from './live-digests.js';
import { isManifest } from './references.js';
import { withStoreLock } from './store-lock.js';

export interface CollectOptions {
  /**
   * Digests of the manifests of detached containers; called more than once, while the store is locked, and while manifests are:
   * it takes no lock.
   */
  readonly roots?: (() => readonly string[]) | undefined;
  /** Removes a layer's directory; a rootless user's has files of that user's subordinate ids. */
  readonly removeTree?: ((path: string) => Promise<void>) | undefined;
}

export interface Collected {
  /** Digests. */
  readonly blobs: readonly string[];
  /** Diff ids and chain ids. */
  readonly layers: readonly string[];
  /** Bytes of both. */
  readonly bytes: number;
}

/** @throws ERR_LOCK_TIMEOUT, ERR_DAMAGED_STATE, and nothing is removed then */
export async function collect(
  paths: LayoutPaths,
  options: CollectOptions = {},
): Promise<Collected> {
  const { roots = () => [], removeTree = removeDirectory } = options;
  const collected = await withStoreLock(paths, 'exclusive', async () => {
    const live = new LiveDigests(paths);
    live.add(readIndex(paths.index).map(({ digest }) => digest));
    live.add(roots());
    await removeLeftovers(paths);
    live.add(await readPins(paths));
    keepUsed(paths, live, await readdir(paths.blobs));
    // First of all: what a start finds of an image then lacks the manifest, and not something else.
    const manifests = await removeManifests(paths, live, roots);
    const others = await removeBlobs(paths, live);
    const layers = await removeLayers(paths, live);
    return {
      blobs: [...manifests.names, ...others.names].map(digestOf),
      layers: layers.names.map((name) => name.replace('sha256-', 'sha256:')),
      bytes: manifests.bytes + others.bytes + layers.bytes,
    };
  });
  for (const name of await readdir(paths.trash)) await removeTree(join(paths.trash, name));
  return collected;
}

const digestOf = (name: string): string => `sha256:${name}`;

/** Of the processes that live: the files of the others were removed before. */
async function readPins(paths: LayoutPaths): Promise<string[]> {
  const names = (await readdir(paths.ingest)).filter((name) => name.startsWith(PIN_PREFIX));
  return names.flatMap((name) => pinnedDigests(readIfThere(join(paths.ingest, name)) ?? ''));
}

/** What processes have containers of (snapshots/image-hold.ts) is live. @param names of files in `blobs/` */
function keepUsed(paths: LayoutPaths, live: LiveDigests, names: readonly string[]): void {
  for (const name of names) {
    if (live.has(digestOf(name))) continue;
    const lock = lockBlob(join(paths.blobs, name));
    if (lock === 'taken') live.add([digestOf(name)]);
    else closeLocks([lock]);
  }
}

/** A descriptor with the exclusive lock of the file; undefined: there is none. */
function lockBlob(path: string): number | 'taken' | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ELOOP', 'EISDIR')) return undefined;
    throw error;
  }
  if (loadNative().lockByte(fd, 0)) return fd;
  closeSync(fd);
  return 'taken';
}

function closeLocks(locks: readonly (number | undefined)[]): void {
  for (const fd of locks) if (fd !== undefined) closeSync(fd);
}

/** Descriptors at once. */
const MOST_LOCKS = 64;

interface Removed {
  /** Of files. */
  readonly names: readonly string[];
  readonly bytes: number;
}

/**
 * A manifest is locked until it is gone, since a process locks it before it uses the image, and then looks whether it still is there.
 * Containers are read under these locks: one that has been created meanwhile had the lock until it was stored.
 *
 * Each group is removed without a turn of the event loop: a start in this thread waits for the lock without one.
 */
async function removeManifests(
  paths: LayoutPaths,
  live: LiveDigests,
  roots: () => readonly string[],
): Promise<Removed> {
  const names = (await readdir(paths.blobs)).filter(
    (name) => !live.has(digestOf(name)) && isManifest(join(paths.blobs, name)),
  );
  const removed: string[] = [];
  let bytes = 0;
  for (let at = 0; at < names.length; at += MOST_LOCKS) {
    const locks: (number | undefined)[] = [];
    try {
      const locked: string[] = [];
      for (const name of names.slice(at, at + MOST_LOCKS)) {
        const lock = lockBlob(join(paths.blobs, name));
        if (lock === 'taken') live.add([digestOf(name)]);
        else {
          locks.push(lock);
          locked.push(name);
        }
      }
      live.add(roots());
      for (const name of locked) {
        if (live.has(digestOf(name))) continue;
        const path = join(paths.blobs, name);
        bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0;
        rmSync(path, { force: true });
        removed.push(name);
      }
    } finally {
      closeLocks(locks);
    }
  }
  return { names: removed, bytes };
}

async function removeBlobs(paths: LayoutPaths, live: LiveDigests): Promise<Removed> {
  const names = (await readdir(paths.blobs)).filter((name) => !live.has(digestOf(name)));
  let bytes = 0;
  for (const name of names) {
    const path = join(paths.blobs, name);
    bytes += (await lstat(path)).size;
    await rm(path, { recursive: true, force: true });
  }
  return { names, bytes };
}

/** Into `trash/`: deleting them takes long, and the store is locked. */
async function removeLayers(paths: LayoutPaths, live: LiveDigests): Promise<Removed> {
  const names: string[] = [];
  let bytes = 0;
  for (const name of await readdir(paths.layers)) {
    if (live.has(name.replace('sha256-', 'sha256:'))) continue;
    const path = join(paths.layers, name);
    bytes += storedLayerSize(path) ?? 0;
    names.push(name);
    await rename(path, join(paths.trash, `${name}.${newId().slice(0, 12)}`));
  }
  return { names, bytes };
}

/** Bytes of the files of an unpacked layer; undefined if it is not there. */
export function storedLayerSize(path: string): number | undefined {
  const info = parseJson(readIfThere(join(path, 'layer.json')) ?? '') as
    { readonly size?: unknown } | undefined;
  return typeof info?.size === 'number' ? info.size : undefined;
}

/** Files that no process holds the lock of; of `index.json.…` the store's lock is that lock. */
async function removeLeftovers(paths: LayoutPaths): Promise<void> {
  for (const name of await readdir(paths.root)) {
    if (/^index\.json\.\d+-\d+$/.test(name)) await unlink(join(paths.root, name));
  }
  for (const name of await readdir(paths.ingest)) {
    const path = join(paths.ingest, name);
    const stats = await lstat(path).catch(() => undefined);
    if (stats === undefined) continue;
    if (!stats.isFile()) {
      // A layer that is unpacked; its process has the lock of the file beside it (unpack-layer.ts).
      const owner = join(paths.ingest, name.replace(/^unpack-/, 'layer-'));
      if (owner !== path && !(await withFreeLock(owner, () => Promise.resolve()))) continue;
      await rename(path, join(paths.trash, `${name}.${newId().slice(0, 12)}`));
      continue;
    }
    await withFreeLock(path, () => unlink(path).catch(() => undefined));
  }
}

/** Calls `work` with the lock of the file, unless another process has it: false then. */
async function withFreeLock(path: string, work: () => Promise<void>): Promise<boolean> {
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW).catch(() => undefined);
  if (file === undefined) return true;
  try {
    if (!tryLock(file)) return false;
    await work();
    return true;
  } finally {
    await file.close();
  }
}

/** Another collection may be removing the same directory. */
async function removeDirectory(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'ENOENT', 'EACCES', 'EPERM')) throw error;
  }
}
