/** `Images.load`. */
import { checkAbortSignal } from '../../base/abort-signals.js';
import { checkOptions } from '../../base/check.js';
import type { Lease } from '../../image/content/lease.js';
import type { BlobSize, Ingest, NewBlob } from '../../image/content/ingest.js';
import { type OnProgress, throttled } from '../../image/image-progress.js';
import { LARGEST_MANIFEST } from '../../image/manifest.js';
import { hostPlatform, parsePlatform, type Platform } from '../../image/platform.js';
import { recordImageEvent } from '../store/image-events.js';
import { archiveBytes, type ArchiveInput } from './archive-input.js';
import type { ArchiveContent } from './archive-content.js';
import { dockerImages } from './docker-archive.js';
import type { LoadedImage } from './image-info.js';
import { shortName } from './image-records.js';
import type { ImagesContext } from './images-context.js';
import { withName } from './name-images.js';
import { ociImages } from './oci-archive.js';
import { unpackImage } from './ensure-layers.js';
import { badArchive, readTar, type TarEntry } from './tar-reader.js';

/** How an archive is loaded. */
export interface LoadOptions {
  /** Of an index with images for several: `linux/arm64`. Default: this machine's. */
  readonly platform?: string | undefined;
  /** Ends it; it rejects with the reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called at most ten times a second for each layer. */
  readonly onProgress?: OnProgress | undefined;
}

export async function loadImages(
  context: ImagesContext,
  input: ArchiveInput,
  options: LoadOptions,
): Promise<LoadedImage[]> {
  const { platform: text, signal, onProgress } = checkOptions(options);
  checkAbortSignal(signal);
  const platform: Platform = text === undefined ? hostPlatform() : parsePlatform(text);
  const { content, store } = context;
  await using lease = await content.lease();
  const archive = await takeIn(lease, archiveBytes(input), signal);
  // A docker-archive of today has both: the index has the manifests as they were.
  const images = archive.texts.has('index.json')
    ? await ociImages(context, lease, archive, platform, text !== undefined)
    : await dockerImages(context, lease, archive);
  if (images.length === 0) throw badArchive('has no image for this platform');
  for (const { manifest } of images)
    await unpackImage(context, lease, manifest.digest, {
      signal,
      onProgress: throttled(onProgress),
    });
  await content.change((entries) => {
    let next = [...entries];
    for (const { manifest, names } of images)
      for (const name of names.length === 0 ? [undefined] : names)
        next = withName(next, manifest, name);
    return next;
  });
  const loaded = images.map(({ id, names }) => ({ id, names: names.map(shortName) }));
  for (const { id, names } of loaded)
    for (const name of names.length === 0 ? [id] : names)
      recordImageEvent(store.paths.runRoot, id, 'load', name);
  return loaded;
}

const TEXTS: ReadonlySet<string> = new Set(['manifest.json', 'index.json', 'oci-layout']);
const BLOB = /^blobs\/sha256\/([0-9a-f]{64})$/;
/** Of `docker save` before version 25, and of podman: `HEX.json`, `HEX.tar`, `HEX/layer.tar`. */
const OTHER_BLOB = /^(?:[0-9a-f]{64}\.(?:json|tar)|[0-9a-f]{64}\/layer\.tar)$/;

/** The blobs go to the store, pinned by the lease; what refers to them comes at the end of most archives. */
async function takeIn(
  lease: Lease,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<ArchiveContent> {
  const texts = new Map<string, Buffer>();
  const blobs = new Map<string, BlobSize>();
  const links = new Map<string, string>();
  for await (const entry of readTar(bytes)) {
    const { name, type, target } = entry;
    signal?.throwIfAborted();
    if (type === 'other') continue;
    if (type !== 'file') {
      const leadsTo = relative(type === 'hardlink' ? '' : name, target);
      // Links to anything else are not kept: an archive can have many, with long names.
      if (OTHER_BLOB.test(name) && (OTHER_BLOB.test(leadsTo) || BLOB.test(leadsTo)))
        links.set(name, leadsTo);
      continue;
    }
    const hex = BLOB.exec(name)?.[1];
    const isText = TEXTS.has(name);
    if (!isText && hex === undefined && !OTHER_BLOB.test(name)) continue;
    if (texts.has(name) || blobs.has(name)) throw badArchive(`has two entries named ${name}`);
    if (isText) texts.set(name, await readText(entry));
    else blobs.set(name, await (hex === undefined ? takeUnknown(lease, entry) : takeKnown(lease, entry, `sha256:${hex}`))); // prettier-ignore
  }
  for (const [name, target] of links) {
    const blob = blobs.get(follow(links, target));
    if (blob !== undefined && !blobs.has(name)) blobs.set(name, blob);
  }
  return { texts, blobs };
}

async function readText({ name, size, body }: TarEntry): Promise<Buffer> {
  if (size > LARGEST_MANIFEST) throw badArchive(`has ${size} bytes in ${name}`);
  const parts: Buffer[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}

async function takeKnown(lease: Lease, { size, body }: TarEntry, digest: string) {
  const blob = { digest, size };
  const ingest = await lease.ingest(blob);
  if (ingest === undefined) return blob;
  try {
    await copy(body, ingest);
    await ingest.commit();
  } catch (error) {
    await ingest.remove().catch(() => undefined);
    throw error;
  }
  return blob;
}

/** What an interrupted download has left is the beginning of the same blob. */
async function copy(body: AsyncIterable<Buffer>, ingest: Ingest): Promise<void> {
  let skipped = ingest.offset;
  for await (const part of body) {
    const rest = part.subarray(Math.min(skipped, part.length));
    skipped -= part.length - rest.length;
    if (rest.length > 0) await ingest.write(rest);
  }
}

async function takeUnknown(lease: Lease, { body }: TarEntry): Promise<BlobSize> {
  const blob = await lease.newBlob();
  return writeBlob(blob, body);
}

export async function writeBlob(blob: NewBlob, body: AsyncIterable<Uint8Array>): Promise<BlobSize> {
  try {
    for await (const part of body) await blob.write(part);
    return await blob.commit();
  } catch (error) {
    await blob.remove();
    throw error;
  }
}

/** The name in the archive that a symbolic link leads to; those that lead out of it lead to nothing. */
function relative(name: string, target: string): string {
  const parts = target.startsWith('/') ? [] : name.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

const MOST_LINKS = 8;

function follow(links: ReadonlyMap<string, string>, target: string): string {
  let name = target;
  for (let count = 0; count < MOST_LINKS; count++) {
    const next = links.get(name);
    if (next === undefined) break;
    name = next;
  }
  return name;
}
