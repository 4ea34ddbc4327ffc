/** Manifests by tag and by digest, and the way from an index to the manifest of a platform. */
import { createHash } from 'node:crypto';
import { CaissonError } from '../../base/errors.js';
import {
  isIndexType,
  LARGEST_MANIFEST,
  MANIFEST_TYPES,
  invalidManifest,
  parseManifest,
  type Descriptor,
  type ImageIndex,
} from '../manifest.js';
import { formatPlatform, hostPlatform, selectPlatform, type Platform } from '../platform.js';
import { isDigest } from '../reference.js';
import { isRegistryError, type Endpoint } from './download-blob.js';
import { readAll } from './exchange.js';
import { protocolError } from './registry-errors.js';
import type { ResolvedManifest } from './transfer.js';

export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** Indexes within an index, which nothing makes in practice. */
const DEEPEST = 4;
/** Of one look-up, with all that is within. */
const MOST_FETCHED = 16;

/**
 * @param target a tag or a digest.
 * @throws ERR_NO_SUCH_IMAGE, ERR_INVALID_MANIFEST, ERR_DIGEST_MISMATCH, ERR_REGISTRY_*, ERR_RATE_LIMITED, ERR_ABORTED
 */
export async function fetchManifest(
  endpoints: readonly Endpoint[],
  target: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest> {
  return firstOf(endpoints, async (endpoint) => {
    const answer = await endpoint.session.request(manifestRequest('GET', endpoint, target, name, signal)); // prettier-ignore
    const bytes = await readAll(answer, LARGEST_MANIFEST, `manifest of ${name}`).catch(
      (error: unknown) => {
        throw error instanceof CaissonError && /more than \d+ bytes/.test(error.message)
          ? invalidManifest(name, `has more than ${LARGEST_MANIFEST} bytes`)
          : error;
      },
    );
    const announced = isDigest(target) ? target : answer.headers['docker-content-digest'];
    const digest = digestOf(bytes, typeof announced === 'string' ? announced : undefined);
    if (typeof announced === 'string' && announced !== digest)
      throw new CaissonError('ERR_DIGEST_MISMATCH', `registry ${endpoint.session.host}: the manifest of ${name} has the digest ${digest}, and not ${announced.slice(0, 140)}`, {
        stage: 'image',
        path: name,
        hint: 'the registry, or a proxy on the way, has damaged or replaced it',
      }); // prettier-ignore
    const type = answer.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
    const { mediaType } = parseManifest(bytes, MANIFEST_TYPES.find((each) => each === type), name); // prettier-ignore
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
  });
}

/**
 * The digest that a tag has, without the manifest: registries do not count such requests as pulls.
 *
 * @returns undefined if the registry does not say
 */
export async function headManifest(
  endpoints: readonly Endpoint[],
  target: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  return firstOf(endpoints, async (endpoint) => {
    const answer = await endpoint.session.request(manifestRequest('HEAD', endpoint, target, name, signal)); // prettier-ignore
    answer.drop();
    const digest = answer.headers['docker-content-digest'];
    return typeof digest === 'string' && isDigest(digest) ? digest : undefined;
  });
}

/**
 * @param platform undefined is this machine's, with what its processor can run as well.
 * @throws as fetchManifest
 */
export async function resolveManifest(
  endpoints: readonly Endpoint[],
  target: string,
  name: string,
  platform: Platform | undefined,
  signal: AbortSignal | undefined,
): Promise<ResolvedManifest> {
  let left = MOST_FETCHED;
  const follow = async (
    wanted: string,
    expected: Descriptor | undefined,
    indexes: ResolvedManifest['indexes'],
  ): Promise<ResolvedManifest | undefined> => {
    if (indexes.length > DEEPEST) throw invalidManifest(name, `has indexes in more than ${DEEPEST} levels`); // prettier-ignore
    if (left-- === 0) throw invalidManifest(name, `has more than ${MOST_FETCHED} indexes`);
    const { descriptor, bytes } = await fetchManifest(endpoints, wanted, name, signal);
    if (expected !== undefined && expected.size !== bytes.length)
      throw invalidManifest(name, `has ${bytes.length} bytes, and its index says ${expected.size}`);
    const manifest = parseManifest(bytes, expected?.mediaType ?? descriptor.mediaType, name);
    if (manifest.kind === 'manifest') {
      const own = { ...descriptor, ...(expected?.platform === undefined ? {} : { platform: expected.platform }) }; // prettier-ignore
      return { descriptor: own, bytes, manifest, indexes };
    }
    const path = [...indexes, { descriptor, bytes }];
    for (const next of candidates(manifest, platform)) {
      const found = await follow(next.digest, next, path);
      if (found !== undefined) return found;
    }
    if (indexes.length > 0) return undefined;
    throw noSuchPlatform(name, manifest, platform);
  };
  const found = await follow(target, undefined, []);
  if (found === undefined) throw invalidManifest(name, 'has no image');
  return found;
}

/** The entry for the platform; without one, indexes within; without these, what has no platform at all. */
function candidates(
  { manifests }: ImageIndex,
  platform: Platform | undefined,
): readonly Descriptor[] {
  const images = manifests.filter(
    ({ mediaType, artifactType }) => MANIFEST_TYPES.includes(mediaType) && artifactType === undefined, // prettier-ignore
  );
  const chosen = selectPlatform(images, platform ?? hostPlatform(), platform === undefined);
  if (chosen !== undefined) return [chosen];
  const nested = images.filter((each) => each.platform === undefined && isIndexType(each.mediaType)); // prettier-ignore
  if (nested.length > 0) return nested;
  return images.filter((each) => each.platform === undefined).slice(0, 1);
}

function noSuchPlatform(
  name: string,
  { manifests }: ImageIndex,
  platform: Platform | undefined,
): CaissonError {
  const all = manifests
    .flatMap((each) => (each.platform === undefined ? [] : [formatPlatform(each.platform)]))
    .filter((text) => !text.startsWith('unknown/'));
  const some = [...new Set(all)].slice(0, 16).join(', ');
  return new CaissonError(
    'ERR_NO_SUCH_IMAGE',
    `${name} has no image for ${formatPlatform(platform ?? hostPlatform())}`,
    { stage: 'image', path: name, hint: some === '' ? undefined : `it has images for ${some}` },
  );
}

function manifestRequest(
  method: 'GET' | 'HEAD',
  { path }: Endpoint,
  target: string,
  name: string,
  signal: AbortSignal | undefined,
) {
  return {
    method,
    path: `/v2/${path}/manifests/${target}`,
    scope: `repository:${path}:pull`,
    what: name,
    headers: { accept: MANIFEST_TYPES.join(', ') },
    signal,
  } as const;
}

/** With the algorithm of the digest that is expected. */
function digestOf(bytes: Uint8Array, expected: string | undefined): string {
  const algorithm = expected !== undefined && isDigest(expected) ? (expected.split(':')[0] ?? '') : 'sha256'; // prettier-ignore
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** What the first endpoint answers that can. The error is that of the registry itself, the last one. */
async function firstOf<T>(
  endpoints: readonly Endpoint[],
  ask: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  for (const [index, endpoint] of endpoints.entries()) {
    try {
      return await ask(endpoint);
    } catch (error) {
      if (index === endpoints.length - 1 || !isRegistryError(error)) throw error;
    }
  }
  throw protocolError('', 'no registry was asked');
}
