/** Images of the index, each with all its names. An image is a configuration: two manifests with the same one are one image. */
import { statSync } from 'node:fs';
import { CaissonError } from '../../base/errors.js';
import { storedLayerSize } from '../../image/content/collect.js';
import { type IndexEntry, TAGGED } from '../../image/content/image-index.js';
import { hasBlob } from '../../image/content/ingest.js';
import type { LayoutPaths } from '../../image/content/layout-paths.js';
import { chainIds } from '../../image/content/references.js';
import type { ImageConfig } from '../../image/image-config.js';
import { type Descriptor, type ImageManifest, isIndexType } from '../../image/manifest.js';
import { hostPlatform, selectPlatform } from '../../image/platform.js';
import { familiarName, parseReference } from '../../image/reference.js';
import { readConfig, readManifest } from '../../image/snapshots/stored-files.js';
import type { ImageInfo } from './image-info.js';

export interface ImageRecord {
  readonly id: string;
  /** Of the index; the last one was added last. */
  readonly entries: readonly IndexEntry[];
  /** Of the last entry, for this machine. */
  readonly digest: string;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
}

/** Those that are whole: an image of which a blob is missing is not listed, and can be removed by its name. */
export async function readImages(
  paths: LayoutPaths,
  entries: readonly IndexEntry[],
): Promise<ImageRecord[]> {
  const byManifest = new Map<string, IndexEntry[]>();
  for (const entry of entries)
    byManifest.set(entry.digest, [...(byManifest.get(entry.digest) ?? []), entry]);
  const records = new Map<string, ImageRecord>();
  for (const [digest, named] of byManifest) {
    const record = await unlessBroken(() => readImage(paths, named[0]?.mediaType, digest));
    if (record === undefined) continue;
    const other = records.get(record.id);
    records.set(record.id, { ...record, entries: [...(other?.entries ?? []), ...named] });
  }
  return [...records.values()];
}

async function unlessBroken<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof CaissonError) return undefined;
    throw error;
  }
}

/** @throws ERR_INVALID_IMAGE, ERR_INVALID_MANIFEST */
async function readImage(
  paths: LayoutPaths,
  mediaType: string | undefined,
  digest: string,
): Promise<Omit<ImageRecord, 'entries'>> {
  const manifest = await readManifest(paths, digest, mediaType, digest);
  if (manifest.kind === 'index') {
    const there = manifest.manifests.filter(
      (each) => !isIndexType(each.mediaType) && hasBlob(paths, each),
    );
    const chosen = selectPlatform(there, hostPlatform(), true) ?? there[0];
    if (chosen === undefined)
      throw new CaissonError('ERR_INVALID_IMAGE', `no manifest of the index ${digest} is there`);
    return readImage(paths, chosen.mediaType, chosen.digest);
  }
  const id = manifest.config.digest;
  return { id, digest, manifest, config: await readConfig(paths, id, digest) };
}

/** In their short form, sorted; with a digest, or without. */
export function namesOf(entries: readonly IndexEntry[], kind: 'tags' | 'digests'): string[] {
  const names = entries.flatMap(({ name }) => name ?? []);
  return [...new Set(names)]
    .filter((name) => name.includes('@') === (kind === 'digests'))
    .map(shortName)
    .sort();
}

/** Other tools may have written a name that is none. */
export function shortName(name: string): string {
  try {
    return familiarName(parseReference(name));
  } catch {
    return name;
  }
}

export function imageInfo(paths: LayoutPaths, record: ImageRecord): ImageInfo {
  const { id, entries, digest, config } = record;
  const times = entries.map(({ annotations }) => annotations?.[TAGGED] ?? '');
  return {
    id,
    digest,
    names: namesOf(entries, 'tags'),
    digests: namesOf(entries, 'digests'),
    created: config.created,
    tagged: times.sort().at(-1) ?? '',
    size: layerSizes(paths, record).reduce((sum, size) => sum + size, 0),
    config,
  };
}

/** Bytes of each layer, the lowest first. */
export function layerSizes(
  paths: LayoutPaths,
  { manifest, config }: Pick<ImageRecord, 'manifest' | 'config'>,
): number[] {
  const chain = chainIds(config.diffIds);
  return manifest.layers.map((layer, i) => {
    const ids = [config.diffIds[i], chain[i]].filter((id) => id !== undefined);
    const unpacked = ids.map((id) => storedLayerSize(paths.layer(id)));
    return unpacked.find((size) => size !== undefined) ?? blobSize(paths, layer);
  });
}

function blobSize(paths: LayoutPaths, { digest, size }: Descriptor): number {
  return statSync(paths.blob(digest), { throwIfNoEntry: false })?.size ?? size;
}
