/** `Images.save`: the archive of `docker save` since version 25, which is an OCI image layout with Docker's `manifest.json` in it. */
import { Buffer } from 'node:buffer';
import { stringList } from '../../base/check.js';
import { missingBlob } from '../../image/content/content-errors.js';
import type { Descriptor } from '../../image/manifest.js';
import { fullName, parseReference, withDefaultTag } from '../../image/reference.js';
import { hexOf, INDEX_TYPE, REF_NAME } from '../../oci/image-spec.js';
import { recordImageEvent } from '../store/image-events.js';
import { findRecord } from './find-record.js';
import { type ImageRecord, shortName } from './image-records.js';
import type { ImagesContext } from './images-context.js';
import { CONTAINERD_NAME } from './oci-archive.js';
import { TAR_END, tarHeader, tarPadding } from './tar-writer.js';

interface Saved {
  readonly record: ImageRecord;
  /** In full, with a tag. */
  readonly names: Set<string>;
}

export async function* saveImages(
  context: ImagesContext,
  references: readonly string[],
): AsyncGenerator<Uint8Array> {
  const { content, store } = context;
  stringList('references', references);
  await using lease = await content.lease();
  const images = await choose(context, references);
  const blobs = new Map<string, Descriptor>();
  for (const { record } of images) {
    const own = record.entries.find(({ digest }) => digest === record.digest);
    const size = own?.size ?? (await content.sizeOf(record.digest));
    const manifest = { mediaType: record.manifest.mediaType, digest: record.digest, size };
    for (const blob of [manifest, record.manifest.config, ...record.manifest.layers])
      blobs.set(blob.digest, blob);
  }
  await lease.pin(...blobs.keys());
  for (const blob of blobs.values()) if (!content.has(blob)) throw missingBlob(blob.digest);
  yield tarHeader({ name: 'blobs/', size: 0, isDirectory: true });
  yield tarHeader({ name: 'blobs/sha256/', size: 0, isDirectory: true });
  for (const { digest, size } of blobs.values()) {
    yield tarHeader({ name: blobName(digest), size });
    yield* (await content.read(digest)) as AsyncIterable<Buffer>;
    yield tarPadding(size);
  }
  yield* textFile('index.json', indexOf(images, blobs));
  yield* textFile('manifest.json', images.map(dockerEntry));
  yield* textFile('oci-layout', { imageLayoutVersion: '1.0.0' });
  yield TAR_END;
  for (const { record, names } of images) {
    const [name = record.id] = names;
    recordImageEvent(store.paths.runRoot, record.id, 'save', shortName(name));
  }
}

/** As with Docker: a repository without a tag is all its tags, and an image that is named by its id is saved without names. */
async function choose(context: ImagesContext, references: readonly string[]): Promise<Saved[]> {
  const images = new Map<string, Saved>();
  for (const reference of references.flatMap((each) => tagsOf(context, each))) {
    const record = await findRecord(context, reference);
    const saved = images.get(record.id) ?? { record, names: new Set<string>() };
    images.set(record.id, saved);
    const name = tagOf(reference);
    if (record.entries.some((entry) => entry.name === name)) saved.names.add(name ?? '');
  }
  return [...images.values()];
}

/** The names of a repository's images; what is no repository stays as it is. */
function tagsOf({ content }: ImagesContext, reference: string): readonly string[] {
  let repository: string;
  try {
    const parsed = parseReference(reference);
    if (parsed.tag !== undefined || parsed.digest !== undefined) return [reference];
    repository = fullName(parsed);
  } catch {
    return [reference];
  }
  const tags = content.entries().flatMap(({ name }) => {
    const isTag = name?.startsWith(`${repository}:`) === true && !name.includes('@');
    return isTag ? [name] : [];
  });
  return tags.length === 0 ? [reference] : tags;
}

function tagOf(reference: string): string | undefined {
  try {
    const parsed = withDefaultTag(parseReference(reference));
    return parsed.digest === undefined ? fullName(parsed) : undefined;
  } catch {
    return undefined;
  }
}

function blobName(digest: string): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

function* textFile(name: string, content: unknown): Generator<Buffer> {
  const bytes = Buffer.from(JSON.stringify(content));
  yield tarHeader({ name, size: bytes.length });
  yield bytes;
  yield tarPadding(bytes.length);
}

function indexOf(images: readonly Saved[], blobs: ReadonlyMap<string, Descriptor>): object {
  const manifests = images.flatMap(({ record, names }): readonly object[] => {
    const descriptor = blobs.get(record.digest) ?? {};
    if (names.size === 0) return [descriptor];
    return [...names].map((name) => ({
      ...descriptor,
      annotations: { [CONTAINERD_NAME]: name, [REF_NAME]: name.slice(name.lastIndexOf(':') + 1) },
    }));
  });
  return { schemaVersion: 2, mediaType: INDEX_TYPE, manifests };
}

function dockerEntry({ record, names }: Saved): object {
  return {
    Config: blobName(record.id),
    RepoTags: names.size === 0 ? null : [...names].map(shortName),
    Layers: record.manifest.layers.map(({ digest }) => blobName(digest)),
  };
}
