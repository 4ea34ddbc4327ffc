/** What COPY and ADD take from the context of the build, and from the Dockerfile itself. */
import { open } from 'node:fs/promises';
import { createGunzip, constants } from 'node:zlib';
import { type ContextSource, digestOf } from '../../build/build-context.js';
import type { ArchiveEntry } from '../../build/context-archive.js';
import { dockerfileError, unsupportedInDockerfile } from '../../build/dockerfile-error.js';
import type { CopyStep } from '../../build/stage-state.js';
import { compressionOf } from '../images/archive-input.js';
import type { BuildSession } from './build-session.js';
import { type FetchedSource, fetchSource } from './fetch-source.js';

export type ContextPart =
  | { readonly kind: 'file' | 'directory'; readonly entries: readonly ArchiveEntry[] }
  | {
      /** Of ADD: it is unpacked. */
      readonly kind: 'archive';
      readonly path: string;
    };

interface Gathered {
  readonly parts: readonly ContextPart[];
  /** Of what they contain. */
  readonly digest: unknown;
}

const URL_SOURCE = /^https?:\/\//i;
const GIT_SOURCE = /^(?:git|ssh|ftp):\/\/|^git@|^https?:\/\/[^#?]*\.git(?:#|$)/i;

/** @throws ERR_INVALID_DOCKERFILE, ERR_UNSUPPORTED_OPTION */
export async function gatherFromContext(
  { files, directory, options: { signal } }: BuildSession,
  { sources, target, files: texts, line, add, exclude, parents, checksum }: CopyStep,
): Promise<Gathered> {
  if (parents) throw unsupportedInDockerfile(line, 'COPY --parents');
  const fetched: FetchedSource[] = [];
  const found: ContextSource[] = [];
  const parts: ContextPart[] = [];
  for (const source of sources) {
    if (add && GIT_SOURCE.test(source))
      throw unsupportedInDockerfile(line, `ADD of ${source}`, 'clone it in a step of RUN');
    if (add && URL_SOURCE.test(source)) {
      const one = await fetchSource(source, directory, signal);
      if (checksum !== undefined && one.digest !== checksum)
        throw dockerfileError(line, `digest mismatch ${one.digest}: ${checksum}`);
      if (target.endsWith('/') && one.name === '')
        throw dockerfileError(line, `cannot determine filename from url: ${source}`);
      fetched.push(one);
      parts.push(fetchedPart(one));
      continue;
    }
    if (checksum !== undefined)
      throw dockerfileError(line, 'checksum can only be specified for the sources of ADD that are URLs');
    if (files === undefined)
      throw dockerfileError(line, `"${source}": the build has no context`);
    const those = await files.find(source, line, exclude);
    found.push(...those);
    for (const one of those) parts.push(await partOf(one, add, line));
  }
  const now = Date.now();
  for (const { name, content } of texts) parts.push(textPart(name, content, now));
  return { parts, digest: [await digestOf(found), texts, fetched.map(({ name, digest }) => [name, digest])] };
}

async function partOf(source: ContextSource, add: boolean, line: number): Promise<ContextPart> {
  const { isDirectory, entries } = source;
  const [first] = entries;
  if (add && !isDirectory && first?.type === 'file' && (await isArchive(first.source, line)))
    return { kind: 'archive', path: first.source };
  return { kind: isDirectory ? 'directory' : 'file', entries: contextEntries(source) };
}

/** They belong to root. */
export function contextEntries({ entries }: ContextSource): readonly ArchiveEntry[] {
  return entries.map(({ source, size, ...entry }) => ({
    ...entry,
    uid: 0,
    gid: 0,
    content: entry.type === 'file' ? { path: source, size } : undefined,
  }));
}

function fetchedPart({ name, path, size, mtime }: FetchedSource): ContextPart {
  const about = { name, type: 'file', mode: 0o600, uid: 0, gid: 0, mtime, target: '' } as const;
  return { kind: 'file', entries: [{ ...about, content: { path, size } }] };
}

function textPart(name: string, content: string, mtime: number): ContextPart {
  const bytes = Buffer.from(content);
  const about = { name, type: 'file', mode: 0o644, uid: 0, gid: 0, mtime, target: '' } as const;
  return { kind: 'file', entries: [{ ...about, content: bytes }] };
}

const BLOCK = 512;

/** By what it begins with, as Docker: a tar archive, plain or compressed. */
async function isArchive(path: string, line: number): Promise<boolean> {
  const file = await open(path, 'r');
  let start: Buffer;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64 << 10), 0, 64 << 10, 0);
    start = buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
  const compression = compressionOf(start);
  if (compression === undefined) return isTar(start);
  if (compression !== 'gzip')
    throw unsupportedInDockerfile(
      line,
      `ADD of a file that is compressed with ${compression}`,
      'COPY copies it as it is',
    );
  return isTar(await beginningOf(start));
}

/** As far as that many bytes go. */
async function beginningOf(compressed: Buffer): Promise<Buffer> {
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
  gunzip.end(compressed);
  const parts: Buffer[] = [];
  try {
    for await (const part of gunzip) {
      parts.push(part as Buffer);
      if (Buffer.concat(parts).length >= BLOCK) break;
    }
  } catch {
    // No archive, then.
  }
  return Buffer.concat(parts);
}

/** Whether such a stream can be an archive, and not the text of a Dockerfile. */
export function isArchiveStart(start: Buffer): boolean {
  return compressionOf(start) !== undefined || isTar(start);
}

function isTar(start: Buffer): boolean {
  return start.length >= BLOCK && start.toString('latin1', 257, 262) === 'ustar';
}
