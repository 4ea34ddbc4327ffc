/**
 * Manifests and indexes of images (OCI image spec, manifest.md and image-index.md; Docker's schema 2), parsed from bytes
 * that are untrusted, also where their digest is the expected one.
 */
import { isRecord, show } from '../base/check.js';
import { CaissonError } from '../base/errors.js';
import { parseJson } from '../base/storage.js';
import { normalizePlatform, type Platform } from './platform.js';
import { isDigest } from './reference.js';

export const MEDIA_TYPES = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
} as const;

/** Bytes. Registries refuse more than 4 MiB, as the distribution specification advises. */
export const LARGEST_MANIFEST = 4 << 20;
/** As many as the kernel's overlay accepts (fs/overlayfs/params.h, OVL_MAX_STACK). */
export const MOST_LAYERS = 500;
/** Of an index. */
export const MOST_MANIFESTS = 1000;

/** What a manifest says of a blob or another manifest. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly platform?: Platform | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** What kind of artifact a manifest is, if it is no image. */
  readonly artifactType?: string | undefined;
}

export interface ImageManifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  /** The lowest one first. */
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

const KINDS: ReadonlyMap<string, 'manifest' | 'index'> = new Map([
  [MEDIA_TYPES.manifest, 'manifest'],
  [MEDIA_TYPES.dockerManifest, 'manifest'],
  [MEDIA_TYPES.index, 'index'],
  [MEDIA_TYPES.dockerList, 'index'],
]);

/** Those that can be parsed, as a registry is asked for them. */
export const MANIFEST_TYPES: readonly string[] = [...KINDS.keys()];

export function isIndexType(mediaType: string): boolean {
  return KINDS.get(mediaType) === 'index';
}

/**
 * @param mediaType what the registry or the descriptor says; undefined if it says nothing useful. It must be that of the
 *   content, which could otherwise be read as an index here and as a manifest elsewhere (CVE-2021-41190).
 * @param name of the image, for errors.
 * @throws ERR_INVALID_MANIFEST
 */
export function parseManifest(
  bytes: Uint8Array,
  mediaType: string | undefined,
  name: string,
): ImageManifest | ImageIndex {
  if (bytes.length > LARGEST_MANIFEST)
    throw invalidManifest(name, `has ${bytes.length} bytes, more than ${LARGEST_MANIFEST}`);
  const content = parseJson(decodeUtf8(bytes, name)) as Fields | undefined;
  if (!isRecord(content)) throw invalidManifest(name, 'is not a JSON object');
  const own = typeof content['mediaType'] === 'string' ? content['mediaType'] : undefined;
  const type = mediaType ?? own ?? (content['manifests'] === undefined ? MEDIA_TYPES.manifest : MEDIA_TYPES.index); // prettier-ignore
  const kind = KINDS.get(type);
  if (kind === undefined || content['schemaVersion'] !== 2)
    throw invalidManifest(
      name,
      `has the media type ${show(type)} and the schema ${show(content['schemaVersion'])}`,
      content['schemaVersion'] === 1
        ? 'schema 1 was deprecated in 2017; push the image again with a newer tool'
        : 'the manifest of an image has schema 2 and a media type of OCI or Docker',
    );
  if (own !== undefined && own !== type)
    throw invalidManifest(name, `says that it is ${show(own)}, and was announced as ${show(type)}`);
  if (content['manifests'] !== undefined && (content['layers'] ?? content['config']) !== undefined)
    throw invalidManifest(name, 'is an index and a manifest at once');
  const annotations = stringMap(content['annotations'], name);
  return kind === 'index'
    ? {
        kind,
        mediaType: type,
        manifests: descriptors(content['manifests'], 'manifests', MOST_MANIFESTS, name),
        annotations,
      }
    : {
        kind,
        mediaType: type,
        config: parseDescriptor(content['config'], 'config', name),
        layers: descriptors(content['layers'], 'layers', MOST_LAYERS, name),
        annotations,
      };
}

type Fields = Readonly<Record<string, unknown>>;

function descriptors(
  value: unknown,
  field: string,
  most: number,
  name: string,
): readonly Descriptor[] {
  if (!Array.isArray(value)) throw invalidManifest(name, `has no list of ${field}`);
  if (value.length > most)
    throw invalidManifest(name, `has ${value.length} ${field}, more than ${most}`);
  return value.map((each, i) => parseDescriptor(each, `${field}[${i}]`, name));
}

/** @throws ERR_INVALID_MANIFEST */
export function parseDescriptor(value: unknown, field: string, name: string): Descriptor {
  if (!isRecord(value)) throw invalidManifest(name, `has no descriptor in ${field}`);
  const { mediaType, digest, size, platform, annotations, artifactType } = value as Fields;
  if (typeof mediaType !== 'string' || !/^[\w.+/-]{1,255}$/.test(mediaType))
    throw invalidManifest(name, `has no media type in ${field}`);
  if (typeof digest !== 'string' || !isDigest(digest))
    throw invalidManifest(name, `has no digest in ${field}`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalidManifest(name, `has no size in ${field}`);
  return {
    mediaType,
    digest,
    size,
    ...(isRecord(platform) ? { platform: parsePlatformOf(platform as Fields) } : {}),
    ...(isRecord(annotations) ? { annotations: stringMap(annotations, name) } : {}),
    ...(typeof artifactType === 'string' ? { artifactType } : {}),
  };
}

/** A platform of unknown values fits no machine, and is not an error: others of the index may fit. */
function parsePlatformOf(fields: Fields): Platform | undefined {
  const { os, architecture, variant, 'os.version': osVersion } = fields;
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  return normalizePlatform({
    os,
    architecture,
    variant: typeof variant === 'string' ? variant : undefined,
    osVersion: typeof osVersion === 'string' ? osVersion : undefined,
  });
}

function stringMap(value: unknown, name: string): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {};
  if (!isRecord(value) || !Object.values(value).every((each) => typeof each === 'string'))
    throw invalidManifest(name, 'has annotations that are no texts');
  return value as Record<string, string>;
}

function decodeUtf8(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalidManifest(name, 'is not UTF-8');
  }
}

export function invalidManifest(name: string, why: string, hint?: string): CaissonError {
  return new CaissonError('ERR_INVALID_MANIFEST', `the manifest of ${name} ${why}`, {
    stage: 'image',
    path: name,
    hint,
  });
}
