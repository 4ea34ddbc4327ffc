/** `Images.pull`. */
import { checkAbortSignal } from '../../base/abort-signals.js';
import { checkOptions } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import type { Ingest } from '../../image/content/ingest.js';
import type { Lease } from '../../image/content/lease.js';
import { chainIds } from '../../image/content/references.js';
import { type ImageConfig, LARGEST_CONFIG } from '../../image/image-config.js';
import { checkOnProgress, type OnProgress, throttled } from '../../image/image-progress.js';
import { type Descriptor, invalidManifest, MEDIA_TYPES } from '../../image/manifest.js';
import {
  formatPlatform,
  normalizePlatform,
  parsePlatform,
  type Platform,
} from '../../image/platform.js';
import {
  familiarName,
  familiarRepository,
  fullName,
  parseReference,
  type Reference,
  withDefaultTag,
} from '../../image/reference.js';
import { RegistryClient } from '../../image/registry/registry-client.js';
import type { BlobSink, ResolvedManifest } from '../../image/registry/transfer.js';
import { readConfig } from '../../image/snapshots/stored-files.js';
import { readLayer } from '../../image/unpack/unpack-layer.js';
import { recordImageEvent } from '../store/image-events.js';
import { forEachLayer, LayerFeed, layersOf, unpackBlob } from './ensure-layers.js';
import { findRecord } from './find-record.js';
import { fitLayers, type LayerToUnpack } from './fit-layers.js';
import type { ImageInfo } from './image-info.js';
import { imageInfo } from './image-records.js';
import type { ImagesContext } from './images-context.js';
import { withName } from './name-images.js';

/** How an image is pulled. */
export interface PullOptions {
  /** `linux/arm64`. Default: this machine's. */
  readonly platform?: string | undefined;
  /** Plain http, and any certificate. Registries on this machine may always speak http. Default: as registries.conf says. */
  readonly insecure?: boolean | undefined;
  /** Ends the pull; it rejects with the reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called at most ten times a second for each layer. */
  readonly onProgress?: OnProgress | undefined;
}

/** What was pulled. */
export interface PulledImage extends ImageInfo {
  /** The name in full, with the tag or the digest. */
  readonly reference: string;
  /** What the name has in the registry: the digest of an index of several platforms, or of the manifest. */
  readonly pulledDigest: string;
  /** The name was not this image's before. */
  readonly isNew: boolean;
}

export async function pullImage(
  context: ImagesContext,
  name: string,
  options: PullOptions,
): Promise<PulledImage> {
  const { platform, insecure, signal, onProgress } = checkOptions(options);
  checkAbortSignal(signal);
  checkOnProgress(onProgress);
  const reference = withDefaultTag(parseReference(name));
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  const { content } = context;
  const client = await RegistryClient.open(reference, { insecure });
  try {
    const resolved = await client.resolve(wanted, { signal });
    await using lease = await content.lease();
    await fetchImage(context, lease, client, resolved, fullName(reference), {
      platform: wanted,
      signal,
      onProgress: throttled(onProgress),
    });
    return await nameImage(context, reference, resolved);
  } finally {
    await client.close();
  }
}

interface FetchOptions {
  /** If one was asked for. */
  readonly platform?: Platform | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: OnProgress;
}

/** After it, all blobs are there, and all layers are unpacked. */
async function fetchImage(
  { content }: ImagesContext,
  lease: Lease,
  client: RegistryClient,
  { descriptor, bytes, manifest }: ResolvedManifest,
  name: string,
  options: FetchOptions,
): Promise<void> {
  const { config, layers } = manifest;
  if (config.mediaType !== MEDIA_TYPES.config && config.mediaType !== MEDIA_TYPES.dockerConfig)
    throw invalidManifest(
      name,
      `is that of an artifact of the type ${config.mediaType}, and of no image`,
    );
  if (config.size > LARGEST_CONFIG)
    throw invalidManifest(name, `announces a configuration of ${config.size} bytes`);
  await lease.pin(descriptor.digest, config.digest, ...layers.map(({ digest }) => digest));
  await lease.put(bytes);
  await fetchBlob(lease, client, config, options.signal);
  const stored = await readConfig(content.paths, config.digest, name);
  const { diffIds } = stored;
  if (options.platform !== undefined) checkPlatform(stored, options.platform, name);
  await lease.pin(...diffIds, ...chainIds(diffIds));
  const all = layersOf(layers, diffIds, name);
  for (const { layer, diffId } of all) {
    const isThere = content.has(layer) && readLayer(content.paths, diffId) !== undefined;
    options.onProgress(progressOf(layer, isThere ? 'exists' : 'waiting'));
  }
  await forEachLayer(all, options.signal, (layer, signal) =>
    fetchLayer(content.paths, lease, client, layer, { ...options, signal }),
  );
  await fitLayers(content.paths, all, options.signal);
}

/** A manifest that no index names says its platform only in its configuration. */
function checkPlatform(config: ImageConfig, wanted: Platform, name: string): void {
  const own = formatPlatform(normalizePlatform(config));
  if (config.os === '' || own === formatPlatform(wanted)) return;
  throw new CaissonError(
    'ERR_NO_SUCH_IMAGE',
    `the image ${name} is for ${own}, and not for ${formatPlatform(wanted)}`,
    { stage: 'image', path: name },
  );
}

function progressOf(
  { digest, size }: Descriptor,
  phase: 'waiting' | 'unpacking' | 'exists' | 'done',
) {
  return { digest, phase, current: phase === 'waiting' ? 0 : size, total: size } as const;
}

async function fetchBlob(
  lease: Lease,
  client: RegistryClient,
  blob: Descriptor,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ingest = await lease.ingest(blob, { signal });
  if (ingest === undefined) return;
  try {
    await client.fetchBlob(blob, sinkOf(ingest), { signal });
    await ingest.commit();
  } catch (error) {
    await ingest.close();
    throw error;
  }
}

async function fetchLayer(
  paths: ImagesContext['content']['paths'],
  lease: Lease,
  client: RegistryClient,
  { layer, diffId }: LayerToUnpack,
  { signal, onProgress }: FetchOptions,
): Promise<void> {
  const { digest, size } = layer;
  const onWait = () => onProgress(progressOf(layer, 'waiting'));
  const ingest = await lease.ingest(layer, { signal, onWait });
  const isUnpacked = readLayer(paths, diffId) !== undefined;
  if (ingest === undefined) {
    if (isUnpacked) return onProgress(progressOf(layer, 'exists'));
    onProgress(progressOf(layer, 'unpacking'));
    await unpackBlob(paths, digest, diffId, signal);
    return onProgress(progressOf(layer, 'done'));
  }
  const feed = new Feed(isUnpacked ? undefined : () => new LayerFeed(paths, diffId, signal));
  let unpacked: Promise<boolean> | undefined;
  try {
    // What an interrupted pull has left.
    for await (const part of ingest.written()) await feed.write(part);
    await client.fetchBlob(layer, sinkOf(ingest, feed), {
      signal,
      onProgress: (current) => onProgress({ digest, phase: 'downloading', current, total: size }),
    });
    // The digest is right: the last bytes are unpacked while the file is flushed.
    unpacked = feed.finish();
    unpacked.catch(() => undefined);
    await ingest.commit();
  } catch (error) {
    await feed.cancel();
    await ingest.close();
    throw error;
  }
  onProgress(progressOf(layer, 'unpacking'));
  if (!(await unpacked)) await unpackBlob(paths, digest, diffId, signal);
  onProgress(progressOf(layer, 'done'));
}

/** The unpacking beside a download, which begins with its first byte. */
class Feed {
  #current: LayerFeed | undefined;
  #isComplete = true;

  /** @param start undefined: the layer is there already */
  constructor(private readonly start: (() => LayerFeed) | undefined) {}

  async write(bytes: Uint8Array): Promise<void> {
    if (this.start === undefined || !this.#isComplete) return;
    this.#current ??= this.start();
    await this.#current.write(bytes);
  }

  /** The download begins again: what was unpacked is wrong. The layer is unpacked from the file at the end. */
  async reset(): Promise<void> {
    this.#isComplete = this.#current === undefined;
    await this.cancel();
  }

  async cancel(): Promise<void> {
    await this.#current?.cancel();
    this.#current = undefined;
  }

  /** False: the layer still has to be unpacked. */
  async finish(): Promise<boolean> {
    if (this.start === undefined) return true;
    if (this.#current === undefined) return false;
    await this.#current.end();
    return true;
  }
}

/** An ingest file as the registry's client wants it: it hashes what it has. All bytes that come also go to the feed. */
function sinkOf(ingest: Ingest, feed?: Feed): BlobSink {
  return {
    get offset() {
      return ingest.offset;
    },
    read: () => ingest.written(),
    digest: () => ingest.digest(),
    async write(bytes) {
      await ingest.write(bytes);
      await feed?.write(bytes);
    },
    async reset() {
      await ingest.reset();
      await feed?.reset();
    },
  };
}

async function nameImage(
  context: ImagesContext,
  reference: Reference,
  { descriptor, indexes }: ResolvedManifest,
): Promise<PulledImage> {
  const { content, store } = context;
  const pulledDigest = indexes[0]?.descriptor.digest ?? descriptor.digest;
  const byDigest = fullName({ ...reference, tag: undefined, digest: pulledDigest });
  // A tag beside a digest is a remark.
  const name = reference.digest === undefined ? fullName(reference) : byDigest;
  let isNew = false;
  await content.change((entries) => {
    const has = (wanted: string) =>
      entries.some((entry) => entry.name === wanted && entry.digest === descriptor.digest);
    isNew = !has(name);
    if (!isNew && has(byDigest)) return undefined;
    return withName(withName(entries, descriptor, byDigest), descriptor, name);
  });
  const shown = familiarName(reference);
  recordImageEvent(store.paths.runRoot, shown, 'pull', familiarRepository(reference));
  const record = await findRecord(context, name);
  return { ...imageInfo(content.paths, record), reference: name, pulledDigest, isNew };
}
