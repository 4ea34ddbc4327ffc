/** Unpacks a layer into the store's `layers/`, in the form that overlayfs takes (decision 0026). */
import { existsSync, writeFileSync } from 'node:fs';
import { mkdir, rename, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { CaissonError } from '../../base/errors.js';
import { isErrno } from '../../base/errno.js';
import { newId } from '../../base/ids.js';
import { parseJson, readIfThere, storageError } from '../../base/storage.js';
import type { UserNamespaceIds } from '../../host/user-namespace-ids.js';
import { openLocked } from '../content/file-locks.js';
import type { LayoutPaths } from '../content/layout-paths.js';
import { type LayerReport, parseReport, type RefusalReport } from './archive-report.js';
import { directoryArchive, type GivenDirectory } from './directory-archive.js';
import { noReport, refusalError } from './layer-errors.js';
import { removeLayerTree } from './remove-layer.js';
import { runArchive } from './run-archive.js';

export interface LayerLimits {
  /** Bytes of the uncompressed archive. Default: 256 GiB. */
  readonly size?: number | undefined;
  /** Uncompressed bytes for each compressed one, beyond the first GiB. Default: 250. */
  readonly ratio?: number | undefined;
  /** Default: 4,000,000. */
  readonly entries?: number | undefined;
  /** Bytes of a path, 4095 at most, which is the default. */
  readonly path?: number | undefined;
  /** Components of a path. Default: 1024. */
  readonly depth?: number | undefined;
}

export interface UnpackOptions {
  /** The archive: tar, plain or compressed by gzip or zstd. A descriptor is faster than a stream, and stays open. */
  readonly input: Readable | number;
  /** What the uncompressed archive has to have as its digest. */
  readonly diffId?: string | undefined;
  /** Of the layer in the store, if it is not the diff id: a chain id, with `diffId`. */
  readonly id?: string | undefined;
  /** Attributes of implied directories (`differentBelow`). */
  readonly directories?: readonly GivenDirectory[] | undefined;
  readonly limits?: LayerLimits | undefined;
  /** A rootless user's ids (`findUserNamespaceIds`). */
  readonly users?: UserNamespaceIds | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The content of `layer.json`. */
export interface LayerInfo {
  readonly diffId: string;
  /** Bytes of files. */
  readonly size: number;
  /** Entries, without whiteouts. */
  readonly files: number;
  /**
   * Directories that the archive uses and does not contain; `.` is the root. Bytes that are not printable ASCII, and
   * `%`, are `%XX` (`pathBytes`).
   */
  readonly implied: readonly string[];
}

export interface UnpackedLayer extends LayerInfo {
  /** The layer's directory; its root is `root` in it. */
  readonly path: string;
}

const GIB = 2 ** 30;
const RATIO = 250;

/**
 * What is there already is not unpacked again; the input is not read then, and destroyed. A second process that unpacks
 * the same diff id waits for the first one.
 *
 * @throws ERR_INVALID_LAYER, ERR_LAYER_TOO_LARGE, ERR_DIGEST_MISMATCH, ERR_STORAGE, ERR_NO_PRIVILEGES, ERR_UNPACK_FAILED;
 *   the signal's reason; the error of the input. Nothing is left then.
 */
export async function unpackLayer(
  paths: LayoutPaths,
  options: UnpackOptions,
): Promise<UnpackedLayer> {
  const { diffId, id = diffId, signal } = options;
  const name = id?.replace(':', '-') ?? newId().slice(0, 32);
  const lockPath = join(paths.ingest, `layer-${name}`);
  const lock = await openLocked(lockPath, { signal });
  try {
    const known = id === undefined ? undefined : readLayer(paths, id);
    if (known !== undefined) {
      closeInput(options.input);
      return known;
    }
    return await unpackInto(paths, join(paths.ingest, `unpack-${name}`), options);
  } finally {
    await unlink(lockPath).catch(() => undefined);
    await lock.close();
  }
}

/** Undefined: it is not there. */
export function readLayer(paths: LayoutPaths, id: string): UnpackedLayer | undefined {
  const path = paths.layer(id);
  // Most are asked for when they are not there.
  const text = existsSync(path) ? readIfThere(join(path, 'layer.json')) : undefined;
  if (text === undefined) return undefined;
  const info = parseJson(text) as LayerInfo | undefined;
  if (info === undefined || typeof info.diffId !== 'string' || !Array.isArray(info.implied))
    throw new CaissonError('ERR_DAMAGED_STATE', `${path}/layer.json was not written by caisson`, {
      stage: 'image',
      path,
      hint: 'remove the image, and pull or load it again',
    });
  return { ...info, path };
}

function closeInput(input: Readable | number): void {
  if (typeof input === 'number') return;
  input.once('error', () => undefined);
  input.destroy();
}

async function unpackInto(
  paths: LayoutPaths,
  directory: string,
  options: UnpackOptions,
): Promise<UnpackedLayer> {
  const { diffId, users } = options;
  try {
    // A process that was killed has left it.
    if (existsSync(directory)) await removeLayerTree(directory, users);
    await mkdir(join(directory, 'root'), { recursive: true, mode: 0o755 });
    const report = await unpackArchive(join(directory, 'root'), options);
    if (diffId !== undefined && report.diffId !== diffId)
      throw new CaissonError(
        'ERR_DIGEST_MISMATCH',
        `the layer ${diffId} does not have this diff id, but ${report.diffId}`,
        { stage: 'image', path: diffId },
      );
    const info: LayerInfo = {
      diffId: report.diffId,
      size: report.bytes,
      files: report.files,
      implied: report.implied,
    };
    writeFileSync(join(directory, 'layer.json'), JSON.stringify(info));
    return { ...info, path: await publish(paths, directory, options.id ?? report.diffId) };
  } catch (error) {
    if (typeof options.input !== 'number') closeInput(options.input);
    await removeLayerTree(directory, users);
    throw storageError(directory, error);
  }
}

/** One whose diff id was not known before may be there already. */
async function publish(paths: LayoutPaths, directory: string, id: string): Promise<string> {
  const path = paths.layer(id);
  try {
    await rename(directory, path);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    await rm(directory, { recursive: true, force: true });
  }
  return path;
}

async function unpackArchive(root: string, options: UnpackOptions): Promise<LayerReport> {
  const { limits = {}, users, diffId } = options;
  const text = await runArchive({
    subcommand: 'unpack',
    settings: {
      size: limits.size ?? 256 * GIB,
      ratio: limits.ratio ?? RATIO,
      'ratio-from': limits.ratio === undefined ? GIB : 0,
      entries: limits.entries ?? 4_000_000,
      path: limits.path,
      depth: limits.depth,
    },
    input: options.input,
    directory: root,
    users,
    directories: options.directories && directoryArchive(options.directories),
    signal: options.signal,
  });
  const name = diffId === undefined ? 'the layer' : `the layer ${diffId}`;
  const report: LayerReport | RefusalReport | undefined = parseReport(text);
  if (report === undefined) throw noReport(name);
  if ('kind' in report) throw refusalError(report, name, users);
  return report;
}
