/** Images of `docker save`: `manifest.json`, of which each entry has the names of a configuration and of layers (moby, image/tarexport). */
import { isRecord, show } from '../../base/check.js';
import { parseJson } from '../../base/storage.js';
import { digestMismatch } from '../../image/content/content-errors.js';
import type { BlobSize } from '../../image/content/ingest.js';
import type { Lease } from '../../image/content/lease.js';
import { LARGEST_CONFIG } from '../../image/image-config.js';
import { type Descriptor, MEDIA_TYPES, MOST_LAYERS } from '../../image/manifest.js';
import { readConfig } from '../../image/snapshots/stored-files.js';
import { compressionOf } from './archive-input.js';
import type { ImagesContext } from './images-context.js';
import type { ArchiveContent, ArchiveImage } from './archive-content.js';
import { targetName } from './name-images.js';
import { badArchive } from './tar-reader.js';
import { openStart } from './open-start.js';

const MOST_IMAGES = 1000;

/** @throws ERR_INVALID_IMAGE, ERR_DIGEST_MISMATCH, ERR_INVALID_REFERENCE */
export async function dockerImages(
  context: ImagesContext,
  lease: Lease,
  archive: ArchiveContent,
): Promise<ArchiveImage[]> {
  const images: ArchiveImage[] = [];
  for (const entry of parseEntries(archive.texts.get('manifest.json')))
    images.push(await takeImage(context, lease, archive, entry));
  return images;
}

interface Entry {
  readonly config: string;
  readonly tags: readonly string[];
  readonly layers: readonly string[];
}

function parseEntries(text: Buffer | undefined): readonly Entry[] {
  if (text === undefined)
    throw badArchive(
      'has neither index.json nor manifest.json',
      'caisson import makes an image of the archive of a root file system',
    );
  const value = parseJson(text.toString('utf8'));
  if (!Array.isArray(value) || value.length > MOST_IMAGES)
    throw badArchive('has a manifest.json that is not a list of images');
  return value.map((each: unknown) => {
    const { Config, RepoTags, Layers } = (isRecord(each) ? each : {}) as Readonly<Record<string, unknown>>; // prettier-ignore
    if (typeof Config !== 'string') throw badArchive('has an image without a configuration');
    const layers = texts(Layers, 'Layers');
    if (layers.length > MOST_LAYERS)
      throw badArchive(`has an image of ${layers.length} layers, more than ${MOST_LAYERS}`);
    return { config: Config, tags: texts(RepoTags, 'RepoTags'), layers };
  });
}

/** Go writes null for an empty list. */
function texts(value: unknown, field: string): readonly string[] {
  const list = value ?? [];
  if (!Array.isArray(list) || !list.every((each) => typeof each === 'string'))
    throw badArchive(`has ${field} ${show(value)} in manifest.json, which is no list of texts`);
  return list;
}

async function takeImage(
  { content }: ImagesContext,
  lease: Lease,
  archive: ArchiveContent,
  entry: Entry,
): Promise<ArchiveImage> {
  const names = entry.tags.map((tag) => targetName(tag, 'RepoTags'));
  const config = blobNamed(archive, entry.config);
  const announced = /^([0-9a-f]{64})\.json$/.exec(entry.config)?.[1];
  if (announced !== undefined && config.digest !== `sha256:${announced}`)
    throw digestMismatch(`sha256:${announced}`, `has another digest, ${config.digest}`);
  if (config.size > LARGEST_CONFIG) throw badArchive(`has ${config.size} bytes in ${entry.config}`);
  const { diffIds } = await readConfig(content.paths, config.digest, entry.config);
  if (diffIds.length !== entry.layers.length)
    throw badArchive(`has ${entry.layers.length} layers of an image that says ${diffIds.length}`);
  const layers: Descriptor[] = [];
  for (const [i, name] of entry.layers.entries()) {
    const blob = blobNamed(archive, name);
    const mediaType = layerType(await openStart(content.blobPath(blob.digest)), name);
    // Of a compressed one, the digest of the content is checked when it is unpacked.
    if (mediaType === MEDIA_TYPES.layer && blob.digest !== diffIds[i])
      throw digestMismatch(
        diffIds[i] ?? name,
        `is not the layer ${name}, whose digest is ${blob.digest}`,
      );
    layers.push({ mediaType, ...blob });
  }
  const manifest = await lease.put(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.manifest,
        config: { mediaType: MEDIA_TYPES.config, ...config },
        layers,
      }),
    ),
  );
  return { id: config.digest, manifest: { mediaType: MEDIA_TYPES.manifest, ...manifest }, names };
}

function blobNamed({ blobs }: ArchiveContent, name: string): BlobSize {
  const blob = blobs.get(name);
  if (blob === undefined) throw badArchive(`does not have ${show(name)}`);
  return blob;
}

export function layerType(start: Buffer, name: string): string {
  const compression = compressionOf(start);
  if (compression === undefined) return MEDIA_TYPES.layer;
  if (compression === 'gzip') return MEDIA_TYPES.layerGzip;
  if (compression === 'zstd') return MEDIA_TYPES.layerZstd;
  throw badArchive(`has a layer that is compressed with ${compression}: ${name}`);
}
