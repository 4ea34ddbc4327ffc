/** Which manifest a name, a digest or the beginning of an id means: of the images that the store has. */
import { CaissonError } from '../../base/errors.js';
import { type BlobDescriptor, REF_NAME } from '../../oci/image-spec.js';
import { invalidImage } from '../content/content-errors.js';
import { type IndexEntry, readIndex } from '../content/image-index.js';
import { hasBlob } from '../content/ingest.js';
import type { LayoutPaths } from '../content/layout-paths.js';
import { isIndexType } from '../manifest.js';
import {
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  type Platform,
  selectPlatform,
} from '../platform.js';
import { fullName, parseReference, repositoryName, withDefaultTag } from '../reference.js';
import { readConfig, readManifest } from './stored-files.js';

export interface FoundImage {
  /** Digest of the manifest for the platform. */
  readonly manifest: string;
  /** Digest of the configuration: the image's id. */
  readonly id: string;
}

/** Docker takes shorter ones, too; with fewer digits a name that is misspelled would often be an image. */
const SHORTEST_ID = 4;
const ID = /^(?:sha256:)?([0-9a-f]{4,64})$/;

/**
 * As Docker: a whole id, then a name, then the beginning of an id.
 *
 * @param platform undefined: this machine's, if the image is for several; otherwise the one that it has
 * @returns undefined: there is no such image, or none for the platform
 * @throws ERR_AMBIGUOUS_ID, ERR_INVALID_REFERENCE, ERR_INVALID_IMAGE
 */
export async function findImage(
  store: LayoutPaths,
  text: string,
  platform?: Platform,
): Promise<FoundImage | undefined> {
  const entries = readIndex(store.index);
  const hex = ID.exec(text)?.[1];
  if (hex?.length === 64) return byId(store, entries, hex, platform);
  if (!text.startsWith('sha256:'))
    for (const entry of namedBy(entries, text)) {
      const found = await foundIn(store, entry, platform);
      if (found !== undefined) return found;
    }
  if (hex === undefined || hex.length < SHORTEST_ID) return undefined;
  return byId(store, entries, hex, platform);
}

/** The last one that was given the name comes first. */
function namedBy(entries: readonly IndexEntry[], text: string): readonly IndexEntry[] {
  const reference = withDefaultTag(parseReference(text));
  const { digest } = reference;
  const full = fullName(digest === undefined ? reference : { ...reference, tag: undefined });
  const repository = repositoryName(reference);
  const named = entries.filter(({ name, digest: own }) => {
    if (name === full) return true;
    // A digest decides; the tag beside it is a remark.
    return digest !== undefined && own === digest && name !== undefined && isOf(name, repository);
  });
  return named.reverse();
}

function isOf(name: string, repository: string): boolean {
  return name.startsWith(`${repository}:`) || name.startsWith(`${repository}@`);
}

/**
 * By what its id, its manifest or its index begins with. One configuration is one image: it can have two manifests, of layers that were
 * pulled and of layers that were loaded, of which the last one is taken.
 */
async function byId(
  store: LayoutPaths,
  entries: readonly IndexEntry[],
  hex: string,
  platform: Platform | undefined,
): Promise<FoundImage | undefined> {
  const wanted = `sha256:${hex}`;
  const found = new Map<string, FoundImage>();
  for (const entry of new Map(entries.map((each) => [each.digest, each])).values()) {
    const image = await foundIn(store, entry, platform);
    if (image === undefined) continue;
    if ([entry.digest, image.manifest, image.id].some((digest) => digest.startsWith(wanted)))
      found.set(image.id, image);
  }
  if (found.size > 1)
    throw new CaissonError(
      'ERR_AMBIGUOUS_ID',
      `the ids of ${found.size} images begin with ${hex}`,
      {
        stage: 'image',
        path: hex,
        hint: 'give more digits',
      },
    );
  return [...found.values()][0];
}

/** Of an entry, which may be an index of manifests for several platforms, of which some are there. */
async function foundIn(
  store: LayoutPaths,
  entry: BlobDescriptor,
  platform: Platform | undefined,
): Promise<FoundImage | undefined> {
  const name = entry.annotations?.[REF_NAME] ?? entry.digest;
  if (isIndexType(entry.mediaType)) {
    const index = await readManifest(store, entry.digest, entry.mediaType, name);
    if (index.kind !== 'index') throw invalidImage(name, 'is not an index');
    const there = index.manifests.filter(
      ({ digest, size, mediaType }) => !isIndexType(mediaType) && hasBlob(store, { digest, size }),
    );
    const chosen = selectPlatform(there, platform ?? hostPlatform(), platform === undefined);
    return chosen === undefined ? undefined : foundIn(store, chosen, undefined);
  }
  const manifest = await readManifest(store, entry.digest, entry.mediaType, name);
  if (manifest.kind !== 'manifest') throw invalidImage(name, 'is not a manifest');
  const id = manifest.config.digest;
  if (platform !== undefined) {
    const own = formatPlatform(await platformOf(store, id, name));
    if (own !== formatPlatform(platform)) return undefined;
  }
  return { manifest: entry.digest, id };
}

async function platformOf(store: LayoutPaths, id: string, name: string): Promise<Platform> {
  const { os, architecture, variant } = await readConfig(store, id, name);
  return normalizePlatform({ os, architecture, variant });
}
