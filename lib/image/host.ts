/**
 * The `host` image: a root made of the machine's own `/usr`, so that containers can be started with nothing
 * downloaded. It has the host's programs and libraries, its account names and certificates, and none of its
 * homes, secrets, keys or running state. Files that not all users of the
 * host may read cannot be read in it. `/usr` is the live one, read-only below a layer for writes: running containers see an
 * upgrade of the host, as running programs do. Package managers find no
 * database in it (`/var/lib/dpkg` and the like are not there): to install packages, use a root of your own.
 */
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CaissonError } from '../base/errors.js';
import type { RootPlan } from '../program/launch-input.js';
import { storageError } from '../base/storage.js';
import { fingerprintOf, quickLook } from './host-fingerprint.js';
import {
  bindsOf,
  buildSkeleton,
  type HostBind,
  rootName,
  skeletonVersion,
} from './host-skeleton.js';

export interface HostImage {
  readonly root: RootPlan;
  /** To be bound read-only into the container, before any mount of the user's. Empty on most hosts. */
  readonly binds: readonly HostBind[];
  /** Names the state of the host that the skeleton was made from. */
  readonly fingerprint: string;
  /** The skeleton's directory. */
  readonly directory: string;
}

/** For how long a check of the host is valid, in milliseconds. */
const recheckAfter = 3000;

/** A day, in milliseconds: a younger directory may belong to a process that is still writing to it. */
const leftOver = 24 * 60 * 60 * 1000;

interface State {
  image: HostImage;
  /** What `quickLook` saw before it was made. */
  look: string;
  /** Device, inode and change time of the skeleton. */
  skeleton: string;
  checkedAt: number;
}

const states = new Map<string, State>();
const pending = new Map<string, Promise<HostImage>>();

/**
 * The image, built if need be. Costs nothing when it was asked for within the last seconds, and a dozen
 * stat calls otherwise; a build takes some tenths of a second and happens when the host's files have changed.
 *
 * @param dataRoot caisson's data directory; the skeletons are in `images/host` below it.
 * @param host the host's root: another one in tests.
 */
export async function hostImage(dataRoot: string, host = '/'): Promise<HostImage> {
  const known = knownHostImage(dataRoot, host);
  if (known !== undefined) return known;
  const key = `${dataRoot}\0${host}`;
  let work = pending.get(key);
  if (work === undefined) {
    work = refresh(key, dataRoot, host)
      .catch((error: unknown) => {
        throw typed(error);
      })
      .finally(() => pending.delete(key));
    pending.set(key, work);
  }
  return work;
}

/** The same, if the last look at the machine is still good. */
export function knownHostImage(dataRoot: string, host = '/'): HostImage | undefined {
  const state = states.get(`${dataRoot}\0${host}`);
  if (state === undefined || performance.now() - state.checkedAt >= recheckAfter) return undefined;
  return state.image;
}

async function refresh(key: string, dataRoot: string, host: string): Promise<HostImage> {
  const state = states.get(key);
  const checkedAt = performance.now();
  // Looked at before anything is made of it: a change in between is then seen the next time.
  const look = await quickLook(host);
  if (state?.look === look && state.skeleton === (await identityOf(state.image.directory))) {
    state.checkedAt = checkedAt;
    return state.image;
  }
  const images = join(dataRoot, 'images/host');
  const image = (await recall(images, host, look)) ?? (await build(images, host, look));
  states.set(key, { image, look, skeleton: await identityOf(image.directory), checkedAt });
  return image;
}

/** Another process may remove the skeleton while this process runs. */
async function identityOf(directory: string): Promise<string> {
  const stats = await lstat(directory).catch(() => undefined);
  return `${stats?.dev}:${stats?.ino} ${stats?.ctimeMs}`;
}

/**
 * What a process notes for the next one, which then need not look at every file: the command line is a new
 * process each time.
 */
interface Note {
  readonly version: number;
  readonly look: string;
  readonly fingerprint: string;
  readonly binds: readonly HostBind[];
}

const noteName = 'latest.json';

const fingerprintPattern = /^[0-9a-f]{32}$/;

async function recall(images: string, host: string, look: string): Promise<HostImage | undefined> {
  try {
    const note = JSON.parse(await readFile(join(images, noteName), 'utf8')) as Note;
    const directory = join(images, note.fingerprint);
    if (note.version !== skeletonVersion || note.look !== look) return undefined;
    if (!fingerprintPattern.test(note.fingerprint) || !(await exists(directory))) return undefined;
    return await imageOf(host, note.fingerprint, directory, note.binds);
  } catch {
    // Missing, unreadable or cut short: it is written again.
    return undefined;
  }
}

async function build(images: string, host: string, look: string): Promise<HostImage> {
  let fingerprint = await fingerprintOf(host);
  let directory = join(images, fingerprint);
  if (!(await exists(directory))) {
    await mkdir(images, { recursive: true, mode: 0o755 });
    await removeLeftOvers(images);
    // An upgrade may run at this moment: what is kept was made of a host that stood still.
    for (let attempt = 0; ; attempt++) {
      const work = join(images, `.build-${process.pid}-${randomBytes(6).toString('hex')}`);
      try {
        await mkdir(work, { mode: 0o755 });
        await buildSkeleton(work, host);
        const after = await fingerprintOf(host);
        if (after === fingerprint || attempt === 4) {
          await moveIntoPlace(work, directory);
          break;
        }
        fingerprint = after;
        directory = join(images, fingerprint);
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    }
  }
  const binds = await bindsOf(host);
  await writeNote(images, { version: skeletonVersion, look, fingerprint, binds });
  return imageOf(host, fingerprint, directory, binds);
}

/**
 * The same without privileges. Nobody's files cannot be changed through a layer either, and what is mounted below
 * `/usr` may not be left out: the container has the live one, read-only, and a layer above the rest.
 */
export function withBoundUsr({
  root,
  binds,
  directory,
}: HostImage): Pick<HostImage, 'root' | 'binds'> {
  if (binds.some(({ to }) => to === '/usr')) return { root, binds };
  const usr = root.kind === 'overlay' ? (root.lowers.at(-1) ?? '/usr') : '/usr';
  const others = binds.filter(({ to }) => !to.startsWith('/usr/'));
  return {
    root: {
      kind: 'overlay',
      lowers: [join(directory, rootName)],
      views: [{ from: '.', to: '/' }],
      readOnly: false,
    },
    binds: [{ source: usr, to: '/usr' }, ...others].map((bind) => ({ ...bind, whole: true })),
  };
}

async function imageOf(
  host: string,
  fingerprint: string,
  directory: string,
  binds: readonly HostBind[],
): Promise<HostImage> {
  const stacked = await stackedUsr(host);
  const root: RootPlan = {
    kind: 'overlay',
    lowers: [directory, join(host, 'usr')],
    views: [
      { from: rootName, to: '/' },
      { from: '.', to: '/usr' },
    ],
    readOnly: false,
    sealed: stacked === 'no' ? join(directory, rootName, 'usr') : undefined,
  };
  const image = { root, binds, fingerprint, directory };
  return stacked === 'twice' ? { ...image, ...withBoundUsr(image) } : image;
}

/** linux/magic.h */
const OVERLAY_MAGIC = 0x794c_7630;

/**
 * How many overlays `/usr` lies on: the kernel takes two on top of each other, which a sealed root is. In a container
 * there is one; in one of the `host` image itself, which is known by the place of its root, there are two.
 */
async function stackedUsr(host: string): Promise<'no' | 'once' | 'twice'> {
  const usr = join(host, 'usr');
  if ((await statfs(usr)).type !== OVERLAY_MAGIC) return 'no';
  return (await exists(join(usr, rootName))) ? 'twice' : 'once';
}

async function writeNote(images: string, content: Note): Promise<void> {
  const temporary = join(images, `.note-${process.pid}-${randomBytes(6).toString('hex')}`);
  try {
    await writeFile(temporary, JSON.stringify(content), { flag: 'wx' });
    await rename(temporary, join(images, noteName));
  } catch {
    // It saves time only: the image is there.
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

/** A rename onto a directory that is not empty fails: then another process was quicker, with the same. */
async function moveIntoPlace(work: string, directory: string): Promise<void> {
  try {
    await rename(work, directory);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

/** What builders left that were killed. */
async function removeLeftOvers(images: string): Promise<void> {
  for (const name of await readdir(images)) {
    if (!name.startsWith('.build-') && !name.startsWith('.note-')) continue;
    const path = join(images, name);
    if (await olderThanADay(path)) await rm(path, { recursive: true, force: true });
  }
}

/**
 * Removes skeletons of former states of the host, and returns their fingerprints. Nothing here knows which of
 * them are layers of running containers, whose files would vanish: the caller does.
 *
 * @param inUse fingerprints to be kept; the latest one always is, and so is what is younger than a day.
 */
export async function pruneHostImages(
  dataRoot: string,
  inUse: ReadonlySet<string>,
  host = '/',
): Promise<string[]> {
  const images = join(dataRoot, 'images/host');
  const names = await readdir(images).catch(() => []);
  const latest = await fingerprintOf(host);
  const removed: string[] = [];
  for (const name of names) {
    if (!fingerprintPattern.test(name) || name === latest || inUse.has(name)) continue;
    if (!(await olderThanADay(join(images, name)))) continue;
    await rm(join(images, name), { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}

async function olderThanADay(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined);
  // Linux: a directory's change time is that of its own rename or last new entry.
  return stats !== undefined && Date.now() - stats.ctimeMs > leftOver;
}

async function exists(directory: string): Promise<boolean> {
  const stats = await lstat(directory).catch(() => undefined);
  if (stats === undefined) return false;
  if (stats.isDirectory()) return true;
  throw new CaissonError('ERR_INVALID_ROOTFS', `${directory} is not a directory`, {
    stage: 'image',
    path: directory,
    hint: 'something else lies in the place of the host image; remove it',
  });
}

function typed(error: unknown): unknown {
  if (error instanceof CaissonError || !(error instanceof Error)) return error;
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  const storage = storageError(path ?? 'the host image', error);
  if (storage !== error) return storage;
  const denied = code === 'EACCES' || code === 'EPERM';
  return new CaissonError(
    denied ? 'ERR_NO_PRIVILEGES' : 'ERR_START_FAILED',
    `the host image could not be made: ${error.message}`,
    {
      stage: 'image',
      syscall,
      errno: code,
      path,
      hint: denied ? "run as root, or choose a data directory of this user's" : undefined,
      cause: error,
    },
  );
}
