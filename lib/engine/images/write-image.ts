/** A new image in the store: its configuration and its manifest. The layers are there. */
import type { BlobSize } from '../../image/content/ingest.js';
import type { Lease } from '../../image/content/lease.js';
import { type ImageConfig, parseImageConfig } from '../../image/image-config.js';
import { type Descriptor, MEDIA_TYPES } from '../../image/manifest.js';
import { hostPlatform, type Platform } from '../../image/platform.js';
import { type HistoryEntry, writeImageConfig } from '../../image/write-image-config.js';

export interface NewImage {
  readonly config: ImageConfig;
  /** One entry without `emptyLayer` for each layer. */
  readonly history: readonly HistoryEntry[];
  /** The lowest one first; as many as the configuration has diff ids. */
  readonly layers: readonly Descriptor[];
}

export interface WrittenImage {
  /** The digest of the configuration. */
  readonly id: string;
  readonly manifest: Descriptor;
}

/** A configuration that says nothing but what the files are for. */
export function emptyConfig(platform: Platform = hostPlatform()): ImageConfig {
  const { os, architecture, variant = '' } = platform;
  return { ...parseImageConfig(Buffer.from('{}'), 'new'), os, architecture, variant };
}

/** It is in no index yet, and stays while the lease is open. @throws ERR_STORAGE */
export async function writeImage(lease: Lease, image: NewImage): Promise<WrittenImage> {
  const { config, history, layers } = image;
  const stored = await lease.put(writeImageConfig(config, history));
  const manifest = await lease.put(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.manifest,
        config: { mediaType: MEDIA_TYPES.config, ...sizeOf(stored) },
        layers: layers.map(({ mediaType, ...blob }) => ({ mediaType, ...sizeOf(blob) })),
      }),
    ),
  );
  return { id: stored.digest, manifest: { mediaType: MEDIA_TYPES.manifest, ...manifest } };
}

function sizeOf({ digest, size }: BlobSize): BlobSize {
  return { digest, size };
}
