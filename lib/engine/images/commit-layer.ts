/** A new image: the layers of another one, and one more. */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { pipeline } from 'node:stream/promises';
import type { Lease } from '../../image/content/lease.js';
import type { BlobSize } from '../../image/content/ingest.js';
import type { ImageConfig } from '../../image/image-config.js';
import { type Descriptor, MEDIA_TYPES } from '../../image/manifest.js';
import { readConfig } from '../../image/snapshots/stored-files.js';
import type { HistoryEntry } from '../../image/write-image-config.js';
import { storedManifest, unpackImage } from './ensure-layers.js';
import { imageSteps } from './image-steps.js';
import type { ImagesContext } from './images-context.js';
import { writeBlob } from './load-archive.js';
import { emptyConfig, writeImage, type WrittenImage } from './write-image.js';

/** What an image is made from. */
export interface BaseImage {
  readonly config: ImageConfig;
  readonly history: readonly HistoryEntry[];
  readonly layers: readonly Descriptor[];
}

/** Nothing at all, as `FROM scratch`. */
export function noImage(): BaseImage {
  return { config: emptyConfig(), history: [], layers: [] };
}

/**
 * An image of the store, which the lease keeps.
 *
 * @param digest of its manifest
 * @throws ERR_INVALID_IMAGE, ERR_INVALID_MANIFEST
 */
export async function baseImage(
  { content }: ImagesContext,
  lease: Lease,
  digest: string,
): Promise<BaseImage> {
  await lease.pin(digest);
  const manifest = await storedManifest(content.paths, digest);
  const config = await readConfig(content.paths, manifest.config.digest, digest);
  const history = imageSteps(await content.readJson(manifest.config.digest));
  return { config, layers: manifest.layers, history: withoutGaps(history, manifest.layers.length) };
}

/** An image without a history, or with one for other layers, has one step for each layer. */
function withoutGaps(history: readonly HistoryEntry[], layers: number): readonly HistoryEntry[] {
  if (history.filter(({ emptyLayer }) => !emptyLayer).length === layers) return history;
  return Array.from({ length: layers }, () => ({ emptyLayer: false }));
}

/**
 * @param layer a tar archive. It is compressed with gzip.
 * @param step of the history
 * @throws ERR_STORAGE, ERR_INVALID_LAYER, and the error of the stream: nothing is left then
 */
export async function commitLayer(
  context: ImagesContext,
  lease: Lease,
  base: BaseImage,
  layer: Readable,
  step: Omit<HistoryEntry, 'emptyLayer'>,
): Promise<WrittenImage> {
  const { blob, diffId } = await compress(lease, layer);
  const { config } = base;
  const image = await writeImage(lease, {
    config: { ...config, created: step.created ?? '', diffIds: [...config.diffIds, diffId] },
    history: [...base.history, { ...step, emptyLayer: false }],
    layers: [...base.layers, { mediaType: MEDIA_TYPES.layerGzip, ...blob }],
  });
  await unpackImage(context, lease, image.manifest.digest, {});
  return image;
}

async function compress(
  lease: Lease,
  layer: Readable,
): Promise<{ readonly blob: BlobSize; readonly diffId: string }> {
  const hash = createHash('sha256');
  const blob = await lease.newBlob();
  let written: BlobSize | undefined;
  await pipeline(
    layer,
    async function* (parts: AsyncIterable<Buffer>) {
      for await (const part of parts) {
        hash.update(part);
        yield part;
      }
    },
    createGzip(),
    async (parts: AsyncIterable<Buffer>) => {
      written = await writeBlob(blob, parts);
    },
  );
  if (written === undefined) throw new Error('the layer was not written');
  return { blob: written, diffId: `sha256:${hash.digest('hex')}` };
}
