/** `Images.push`. */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { checkAbortSignal } from '../../base/abort-signals.js';
import { checkOptions, invalid } from '../../base/check.js';
import type { LayoutPaths } from '../../image/content/layout-paths.js';
import { type OnProgress, throttled } from '../../image/image-progress.js';
import type { Descriptor } from '../../image/manifest.js';
import {
  familiarName,
  familiarRepository,
  fullName,
  parseReference,
  withDefaultTag,
} from '../../image/reference.js';
import { noSuchImage } from '../../image/snapshots/no-such-image.js';
import { findImage } from '../../image/snapshots/find-image.js';
import { readManifest } from '../../image/snapshots/stored-files.js';
import { RegistryClient } from '../../image/registry/registry-client.js';
import { recordImageEvent } from '../store/image-events.js';
import type { ImagesContext } from './images-context.js';
import { withName } from './name-images.js';

/** How an image is pushed. */
export interface PushOptions {
  /** Plain http, and any certificate. Registries on this machine may always speak http. Default: as registries.conf says. */
  readonly insecure?: boolean | undefined;
  /** Ends the push; it rejects with the reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called at most ten times a second for each layer. */
  readonly onProgress?: OnProgress | undefined;
}

/** What was pushed. */
export interface PushedImage {
  /** The name in full, with the tag. */
  readonly reference: string;
  /** Of the manifest. */
  readonly digest: string;
  /** Bytes of the manifest. */
  readonly size: number;
}

/** Layers at once. */
const AT_ONCE = 3;

export async function pushImage(
  context: ImagesContext,
  name: string,
  options: PushOptions,
): Promise<PushedImage> {
  const { insecure, signal, onProgress } = checkOptions(options);
  checkAbortSignal(signal);
  const reference = withDefaultTag(parseReference(name));
  if (reference.digest !== undefined)
    throw invalid('reference', name, 'has a digest: a push needs a tag');
  const { content, store } = context;
  await using lease = await content.lease();
  const found = await findImage(content.paths, fullName(reference));
  if (found === undefined) throw noSuchImage(name);
  await lease.pin(found.manifest);
  const manifest = await readManifest(content.paths, found.manifest, undefined, name);
  if (manifest.kind !== 'manifest') throw noSuchImage(name);
  const client = await RegistryClient.open(reference, { insecure });
  try {
    const blobs = [...manifest.layers, manifest.config];
    const waiting = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
    const mountFrom = repositoriesOf(context, reference.domain, reference.path);
    const tell = throttled(onProgress);
    const worker = async (): Promise<void> => {
      for (let blob = waiting.shift(); blob !== undefined; blob = waiting.shift())
        await pushBlob(content.paths, client, blob, {
          signal,
          tell: blob === manifest.config ? () => undefined : tell,
          mountFrom,
        });
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const bytes = await readFile(content.paths.blob(found.manifest));
    const pushed = await client.pushManifest(bytes, manifest.mediaType, undefined, { signal });
    const byDigest = fullName({ ...reference, tag: undefined, digest: pushed.digest });
    await content.change((entries) =>
      entries.some((entry) => entry.name === byDigest)
        ? undefined
        : withName(entries, { ...pushed, mediaType: manifest.mediaType }, byDigest),
    );
    const shown = familiarName(reference);
    recordImageEvent(store.paths.runRoot, shown, 'push', familiarRepository(reference));
    return { reference: fullName(reference), digest: pushed.digest, size: pushed.size };
  } finally {
    await client.close();
  }
}

async function pushBlob(
  paths: LayoutPaths,
  client: RegistryClient,
  blob: Descriptor,
  {
    signal,
    tell,
    mountFrom,
  }: {
    readonly signal: AbortSignal | undefined;
    readonly tell: OnProgress;
    readonly mountFrom: readonly string[];
  },
): Promise<void> {
  const { digest, size } = blob;
  tell({ digest, phase: 'waiting', current: 0, total: size });
  const source = {
    read: (offset: number) =>
      createReadStream(paths.blob(digest), { start: offset, highWaterMark: 1 << 18 }),
  };
  const result = await client.pushBlob(blob, source, {
    signal,
    mountFrom,
    onProgress: (current) => tell({ digest, phase: 'uploading', current, total: size }),
  });
  tell({ digest, phase: result === 'uploaded' ? 'done' : 'exists', current: size, total: size });
}

/** Other repositories of the registry that images of this machine come from: they may have the layers. */
function repositoriesOf(
  { content }: ImagesContext,
  domain: string,
  own: string,
): readonly string[] {
  const paths = content.entries().flatMap(({ name }) => {
    if (!name?.includes('@')) return [];
    const reference = parseReference(name);
    return reference.domain === domain && reference.path !== own ? [reference.path] : [];
  });
  return [...new Set(paths)].slice(0, MOST_MOUNTS);
}

/** A registry is asked about each of them, for each layer. */
const MOST_MOUNTS = 3;
