/** Copies between the host and a container, with Docker's rules. */
import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CaissonError } from '../base/errors.js';
import {
  assertsDirectory,
  containerPath,
  type CopyPlace,
  planCopy,
  specifiesContent,
  splitEntry,
} from './copy-paths.js';
import { type FileStat, statFile } from './file-stat.js';
import { localDestination, localSource } from './local-paths.js';
import { startView, type ViewProcess } from './view-process.js';
import type { View } from './view.js';

/** How files are copied between a container and the host. */
export interface CopyOptions {
  /** Owners are kept: an owner that the container has no id for is an error, and root keeps those of the container. */
  readonly archive?: boolean | undefined;
  /** A link that is the source is followed. */
  readonly followLink?: boolean | undefined;
  /** Ends the copy, which then may be incomplete. */
  readonly signal?: AbortSignal | undefined;
}

/** What a copy has moved. */
export interface CopyResult {
  /** Of the archive: files with their headers. */
  readonly bytes: number;
}

/** From the host into a container. */
export async function copyIn(
  view: View,
  source: string,
  destination: string,
  { archive = false, followLink = false, signal }: CopyOptions,
): Promise<CopyResult> {
  const from = await localSource(source, followLink);
  const { directory, name } = planCopy(from, await destinationIn(view, destination, signal));
  const host = { kind: 'host', path: '/' } as const;
  return transfer(
    startView(host, { kind: 'pack', path: from.path, name, follow: false }, signal),
    startExtract(view, directory, archive, signal),
  );
}

/** From a container to the host. */
export async function copyOut(
  view: View,
  source: string,
  destination: string,
  { archive = false, followLink = false, signal }: CopyOptions,
): Promise<CopyResult> {
  const from = await sourceIn(view, source, followLink, signal);
  const to = await localDestination(destination);
  const { directory, name } = planCopy({ isDirectory: from.stat.isDirectory, name: from.name }, to);
  const host = { kind: 'host', path: directory } as const;
  const owners = archive && process.geteuid?.() === 0 ? 'archive' : 'process';
  return transfer(
    startPack(view, from.path, name, signal),
    startView(host, { kind: 'extract', path: '.', owners }, signal),
  );
}

/** What is at a path of a container, as an archive that begins with the path's last component. */
export async function packPath(
  view: View,
  source: string,
  { followLink = false, signal }: CopyOptions,
): Promise<ViewProcess> {
  const { path } = await sourceIn(view, source, followLink, signal);
  return startPack(view, path, splitEntry(path).name, signal);
}

/** Extracts an archive into a directory of a container. */
export async function extractPath(
  view: View,
  archive: Readable,
  destination: string,
  { archive: keepsOwners = false, signal }: CopyOptions,
): Promise<CopyResult> {
  const { path, isDirectory } = await destinationIn(view, destination, signal);
  if (!isDirectory)
    throw new CaissonError('ERR_FILES_FAILED', `${destination}: must be a directory`, {
      stage: 'files',
      path: destination,
      errno: 'ENOTDIR',
    });
  return feed(archive, startExtract(view, path, keepsOwners, signal));
}

/**
 * Writes an archive into a process that extracts it.
 *
 * @throws why the archive could not be read, or not be extracted
 */
export async function feed(
  archive: AsyncIterable<Uint8Array>,
  to: ViewProcess,
): Promise<CopyResult> {
  const counter = new Counter();
  let failure: { readonly error: unknown } | undefined;
  const read = async function* () {
    try {
      yield* archive as AsyncIterable<Buffer>;
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  // Where the process takes no more, it has ended, or the archive has something behind its end.
  await pipeline(read, counter.count, to.input!).catch(() => undefined);
  if (failure !== undefined) {
    to.kill();
    throw failure.error;
  }
  await to.done;
  return { bytes: counter.bytes };
}

function startPack(view: View, path: string, name: string, signal?: AbortSignal): ViewProcess {
  const follow = path.endsWith('/');
  return startView(view, { kind: 'pack', path, name, follow }, signal);
}

function startExtract(
  view: View,
  path: string,
  archive: boolean,
  signal?: AbortSignal,
): ViewProcess {
  return startView(view, { kind: 'extract', path, owners: archive ? 'archive' : 'mapped' }, signal);
}

interface SourceInContainer {
  readonly path: string;
  readonly stat: FileStat;
  readonly name: string;
}

async function sourceIn(
  view: View,
  given: string,
  followLink: boolean,
  signal?: AbortSignal,
): Promise<SourceInContainer> {
  const path = containerPath(given);
  const found = await statFile(view, path, signal);
  if (!followLink || found.link === undefined)
    return { path, stat: found, name: splitEntry(path).name };
  const target = linkedPath(path, found);
  // The copy has the link's name.
  return { path: target, stat: await statFile(view, target, signal), name: splitEntry(path).name };
}

/** A link is followed, also where it leads to what does not exist yet. */
async function destinationIn(view: View, given: string, signal?: AbortSignal): Promise<CopyPlace> {
  let path = containerPath(given);
  let found = await statIfThere(view, path, signal);
  if (found?.link !== undefined) {
    path = linkedPath(path, found);
    found = await statIfThere(view, path, signal);
  }
  if (found === undefined) return { path, exists: false, isDirectory: false };
  if (found.kind !== 'file' && found.kind !== 'directory')
    throw new CaissonError(
      'ERR_FILES_FAILED',
      `destination "${given}" must be a directory or a regular file`,
      { stage: 'files', path: given },
    );
  return { path, exists: true, isDirectory: found.isDirectory };
}

function linkedPath(path: string, { link = '', target }: FileStat): string {
  const end = specifiesContent(path) ? '/.' : assertsDirectory(path) ? '/' : '';
  return (target ?? posix.resolve('/', posix.dirname(path), link)) + end;
}

async function statIfThere(
  view: View,
  path: string,
  signal?: AbortSignal,
): Promise<FileStat | undefined> {
  try {
    return await statFile(view, path, signal);
  } catch (error) {
    // Something is missing on the way, or is no directory: that is said when it is needed.
    const { code, errno } = error as CaissonError;
    if (code === 'ERR_NO_SUCH_FILE' || errno === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** From one process to the other. */
async function transfer(from: ViewProcess, to: ViewProcess): Promise<CopyResult> {
  const counter = new Counter();
  const piped = pipeline(from.output, counter.count, to.input!).catch(() => undefined);
  try {
    await to.done;
    await piped;
    await from.done;
    return { bytes: counter.bytes };
  } catch (error) {
    // An archive that ends early: why is known by the process that wrote it.
    const incomplete = error instanceof CaissonError && error.code === 'ERR_INVALID_ARCHIVE';
    if (incomplete) await from.done;
    from.kill();
    to.kill();
    throw error;
  }
}

/** Passes a stream on; answers how many bytes it had. */
class Counter {
  bytes = 0;

  readonly count = (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> => this.pass(chunks);

  private async *pass(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      this.bytes += chunk.length;
      yield chunk;
    }
  }
}
