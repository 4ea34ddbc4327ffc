/** Images of an OCI image layout as an archive: `index.json`, with the names that skopeo, podman, umoci, containerd and Docker give them. */
import { missingBlob } from '../../image/content/content-errors.js';
import type { Lease } from '../../image/content/lease.js';
import {
  type Descriptor,
  type ImageManifest,
  isIndexType,
  MEDIA_TYPES,
  parseManifest,
} from '../../image/manifest.js';
import { formatPlatform, type Platform, selectPlatform } from '../../image/platform.js';
import { REF_NAME } from '../../oci/image-spec.js';
import { readConfig, readManifest } from '../../image/snapshots/stored-files.js';
import type { ImagesContext } from './images-context.js';
import type { ArchiveContent, ArchiveImage } from './archive-content.js';
import { targetName } from './name-images.js';
import { badArchive } from './tar-reader.js';

/** containerd's and Docker's annotation with the whole name; that of the specification is then the tag alone. */
export const CONTAINERD_NAME = 'io.containerd.image.name';
/** Of manifests that say something about others, such as attestations of BuildKit. */
const REFERENCE_TYPE = 'vnd.docker.reference.type';
const MOST_DEPTH = 3;

/**
 * @param isAsked only images for exactly this platform
 * @throws ERR_INVALID_IMAGE, ERR_INVALID_MANIFEST, ERR_INVALID_REFERENCE
 */
export async function ociImages(
  context: ImagesContext,
  lease: Lease,
  archive: ArchiveContent,
  platform: Platform,
  isAsked: boolean,
): Promise<ArchiveImage[]> {
  const index = parseManifest(archive.texts.get('index.json') ?? Buffer.alloc(0), MEDIA_TYPES.index, 'the archive'); // prettier-ignore
  if (index.kind !== 'index') throw badArchive('has an index.json that is no index');
  const images = new Map<string, ArchiveImage>();
  for (const descriptor of index.manifests) {
    const found = await imageOf(context, lease, descriptor, platform, isAsked, 0);
    if (found === undefined) continue;
    const known = images.get(found.manifest.digest);
    const names = new Set([...(known?.names ?? []), ...namesIn(descriptor)]);
    images.set(found.manifest.digest, { ...found, names: [...names] });
  }
  return [...images.values()];
}

/** A bare word is a tag whose repository is not said. */
function namesIn({ annotations = {} }: Descriptor): string[] {
  const whole = annotations[CONTAINERD_NAME];
  if (whole !== undefined) return [targetName(whole, CONTAINERD_NAME)];
  const name = annotations[REF_NAME];
  if (name === undefined || !/[:/]/.test(name) || name.includes('@')) return [];
  return [targetName(name, REF_NAME)];
}

/** Undefined: it is none, or for another platform. */
async function imageOf(
  context: ImagesContext,
  lease: Lease,
  { mediaType, digest, size, platform: own, annotations }: Descriptor,
  platform: Platform,
  isAsked: boolean,
  depth: number,
): Promise<Omit<ArchiveImage, 'names'> | undefined> {
  const { content } = context;
  if (annotations?.[REFERENCE_TYPE] !== undefined) return undefined;
  await lease.pin(digest);
  if (!content.has({ digest, size })) throw missingBlob(digest);
  const manifest = await readManifest(content.paths, digest, mediaType, digest);
  if (manifest.kind === 'index') {
    if (depth >= MOST_DEPTH) throw badArchive('has indexes in indexes in indexes');
    const there = manifest.manifests.filter(
      (each) => each.annotations?.[REFERENCE_TYPE] === undefined && content.has(each),
    );
    const chosen =
      selectPlatform(there, platform, !isAsked) ??
      there.find((each) => each.platform === undefined || isIndexType(each.mediaType));
    return chosen && imageOf(context, lease, chosen, platform, isAsked, depth + 1);
  }
  if (!isImage(manifest)) return undefined;
  if (isAsked && own !== undefined && formatPlatform(own) !== formatPlatform(platform))
    return undefined;
  await lease.pin(manifest.config.digest, ...manifest.layers.map((layer) => layer.digest));
  for (const blob of [manifest.config, ...manifest.layers])
    if (!content.has(blob)) throw missingBlob(blob.digest);
  const { diffIds } = await readConfig(content.paths, manifest.config.digest, digest);
  if (diffIds.length !== manifest.layers.length)
    throw badArchive(
      `has ${manifest.layers.length} layers of an image that says ${diffIds.length}`,
    );
  return { id: manifest.config.digest, manifest: { mediaType: manifest.mediaType, digest, size } };
}

/** Not an artifact, whose manifest has the same form. */
function isImage({ config }: ImageManifest): boolean {
  return config.mediaType === MEDIA_TYPES.config || config.mediaType === MEDIA_TYPES.dockerConfig;
}
