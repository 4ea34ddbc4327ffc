/** A writable layer with a size of its own: where it lies, and the file system that is made for it (decision 0016). */
import { execFile } from 'node:child_process';
import { access, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CaissonError } from '../../base/errors.js';
import { probeMachine } from '../../native/probe.js';
import type { LayerPlan, RootPlan } from '../../program/launch-input.js';
import { storageError, storageHint } from '../../base/storage.js';
import { conflicting, unsupported } from '../../base/check.js';
import { isThere, LAYER_IMAGE, LAYER_TYPE } from './layer-size.js';
import { findProgram, isRoot } from '../../host/user-namespace-ids.js';

/** Bytes; the journal of a larger one is what the next line says. */
const LARGE = 512 * 2 ** 20;
/** MiB. */
const JOURNAL = 16;

/** Milliseconds; a terabyte takes a tenth of a second. */
const PATIENCE = 60_000;

const LOOP_CONTROL = '/dev/loop-control';

/**
 * Where a layer of this size lies, on this machine and for this user. Nothing is made.
 *
 * @param persistent the container's files are to outlive its run
 * @throws the reason why it cannot be made
 */
export async function planLayer(
  size: number,
  root: RootPlan,
  persistent: boolean,
  dataRoot: string,
): Promise<LayerPlan> {
  if (root.kind === 'direct')
    throw conflicting(
      'storageOpt',
      'the root is used in place, and has no writable layer to limit',
      'leave it out, or let the root have a layer (writable "overlay")',
    );
  if (isRoot()) {
    if (!persistent) return { kind: 'tmpfs', size };
    await Promise.all([findMakefs(), checkLoopDevices()]);
    return { kind: 'image', file: LAYER_IMAGE, type: LAYER_TYPE, options: 'discard' };
  }
  if (persistent)
    throw unsupported(
      'storageOpt',
      'size',
      'cannot be for a rootless container whose files outlive its run: they would need a file system that only root can mount',
      'as root, or for a container that is removed when it ends (--rm, autoRemove, Engine.run): its files are then in memory',
    );
  await checkTmpfs(dataRoot);
  return { kind: 'tmpfs', size };
}

async function findMakefs(): Promise<string> {
  const path = await findProgram('mke2fs', ['/usr/sbin', '/sbin']);
  if (path !== undefined) return path;
  throw unsupported('storageOpt', 'size', 'needs mke2fs', 'install the package e2fsprogs');
}

async function checkLoopDevices(): Promise<void> {
  try {
    await access(LOOP_CONTROL);
  } catch (cause) {
    throw new CaissonError(
      'ERR_KERNEL_FEATURE_MISSING',
      `storageOpt: there are no loop devices: ${LOOP_CONTROL} is missing`,
      {
        stage: 'config',
        path: 'storageOpt',
        hint: 'modprobe loop; in a container, a /dev with the loop devices of the host',
        cause,
      },
    );
  }
}

let attributes: Promise<void> | undefined;

/** Without user attributes overlay cannot make a directory in place of one that it has removed: Linux before 6.6. */
function checkTmpfs(directory: string): Promise<void> {
  attributes ??= probeMachine(directory).then((found) => {
    if (found.get('tmpfs.userxattr')?.errno === undefined) return;
    throw new CaissonError(
      'ERR_KERNEL_FEATURE_MISSING',
      'storageOpt: a rootless container needs user attributes on a tmpfs for it, which this kernel lacks',
      { stage: 'config', path: 'storageOpt', hint: 'Linux 6.6, or root' },
    );
  });
  return attributes;
}

/** Makes the file system of a container that has not been started before. The caller holds the container's lock. */
export async function makeLayer(directory: string, size: number): Promise<void> {
  const path = join(directory, LAYER_IMAGE);
  if (await isThere(path)) return;
  const program = await findMakefs();
  const next = `${path}.new`;
  try {
    await rm(next, { force: true });
    // Sparse: what is not written takes no room.
    const file = await open(next, 'wx', 0o600);
    try {
      await file.truncate(size);
    } finally {
      await file.close();
    }
    await makefs(program, next, size);
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true }).catch(() => undefined);
    throw storageError(path, error);
  }
}

/**
 * No room is reserved for root, and there are as many inodes as trees of small files need. Nothing is written twice: the tables of
 * a new file are holes, which read as zeros, and the journal is one of them.
 */
async function makefs(program: string, path: string, size: number): Promise<void> {
  const args = ['-q', '-F', '-t', LAYER_TYPE, '-m', '0', '-i', '8192', '-e', 'remount-ro'];
  args.push('-O', '^resize_inode', '-E', 'root_owner=0:0,lazy_itable_init=0,lazy_journal_init=1');
  if (size > LARGE) args.push('-J', `size=${JOURNAL}`);
  const options = { timeout: PATIENCE, killSignal: 'SIGKILL', env: { LC_ALL: 'C' } } as const;
  const failure = await new Promise<{ error: Error; said: string } | undefined>((resolve) => {
    execFile(program, [...args, path], options, (error, _out, stderr) =>
      resolve(error === null ? undefined : { error, said: stderr.trim() }),
    );
  });
  if (failure === undefined) return;
  const { error, said } = failure;
  const full = said.includes('No space left on device');
  const late = (error as { killed?: boolean }).killed === true;
  throw new CaissonError(
    full ? 'ERR_STORAGE' : 'ERR_START_FAILED',
    `cannot make the file system of the layer: ${program}: ` +
      (late ? 'it took too long' : said === '' ? error.message : said),
    {
      stage: 'host',
      path,
      errno: full ? 'ENOSPC' : undefined,
      hint: full ? storageHint('ENOSPC') : undefined,
      cause: error,
    },
  );
}

/** What `explain` says beside the program of a run. */
export function noteLayer(size: number | undefined): string[] {
  if (size === undefined) return [];
  return [
    `the layer of a detached container, as "caisson run" and create() make them, is not a tmpfs but an ${LAYER_TYPE} file ` +
      `system in ${LAYER_IMAGE} in the container's directory (image.mount)`,
  ];
}
