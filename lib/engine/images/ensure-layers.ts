/** Layers are unpacked: those whose blobs are in the store, and those that are being downloaded. */
import { open } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { CaissonError } from '../../base/errors.js';
import type { LayoutPaths } from '../../image/content/layout-paths.js';
import type { Lease } from '../../image/content/lease.js';
import { chainIds } from '../../image/content/references.js';
import { type ImagesContext, layerUsers } from './images-context.js';
import type { OnProgress } from '../../image/image-progress.js';
import { readConfig, readManifest } from '../../image/snapshots/stored-files.js';
import { type Descriptor, type ImageManifest, MEDIA_TYPES } from '../../image/manifest.js';
import { readLayer, unpackLayer } from '../../image/unpack/unpack-layer.js';
import { fitLayers, type LayerToUnpack } from './fit-layers.js';

/** Layers at once. */
export const AT_ONCE = 3;

const LAYER_TYPES: ReadonlySet<string> = new Set([
  MEDIA_TYPES.layer,
  MEDIA_TYPES.layerGzip,
  MEDIA_TYPES.layerZstd,
  MEDIA_TYPES.dockerLayer,
  MEDIA_TYPES.dockerLayerGzip,
]);

/** @throws ERR_INVALID_IMAGE for layers of other kinds, such as encrypted ones */
export function layersOf(
  layers: readonly Descriptor[],
  diffIds: readonly string[],
  name: string,
): LayerToUnpack[] {
  if (layers.length !== diffIds.length)
    throw unusable(name, `has ${layers.length} layers in its manifest and ${diffIds.length} in its configuration`); // prettier-ignore
  return layers.map((layer, i) => {
    if (!LAYER_TYPES.has(layer.mediaType))
      throw unusable(name, `has a layer of the type ${layer.mediaType}`);
    return { layer, diffId: diffIds[i] ?? '' };
  });
}

function unusable(name: string, why: string): CaissonError {
  return new CaissonError('ERR_INVALID_IMAGE', `the image ${name} ${why}`, {
    stage: 'image',
    path: name,
  });
}

/** One after the other where several have the same diff id, several at once otherwise. The first error ends the others. */
export async function forEachLayer(
  layers: readonly LayerToUnpack[],
  outer: AbortSignal | undefined,
  work: (layer: LayerToUnpack, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  const signal = outer === undefined ? abort.signal : AbortSignal.any([outer, abort.signal]);
  const waiting = [...new Map(layers.map((each) => [each.diffId, each])).values()];
  let first: { readonly error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (first !== undefined) return;
      try {
        await work(next, signal);
      } catch (error) {
        first ??= { error };
        abort.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (first !== undefined) throw first.error;
}

/**
 * A manifest of the store, of either format.
 *
 * @throws ERR_INVALID_IMAGE, ERR_INVALID_MANIFEST
 */
export async function storedManifest(paths: LayoutPaths, digest: string): Promise<ImageManifest> {
  const manifest = await readManifest(paths, digest, undefined, digest);
  if (manifest.kind !== 'manifest') throw unusable(digest, 'is an index');
  return manifest;
}

interface UnpackOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Unpacks the layers of an image whose blobs are all in the store.
 *
 * @throws as unpackLayer; ERR_INVALID_IMAGE, ERR_INVALID_MANIFEST
 */
export async function unpackImage(
  { content: { paths } }: ImagesContext,
  lease: Lease,
  digest: string,
  options: UnpackOptions,
): Promise<void> {
  const manifest = await storedManifest(paths, digest);
  const { diffIds } = await readConfig(paths, manifest.config.digest, digest);
  await lease.pin(...diffIds, ...chainIds(diffIds));
  await unpackStored(paths, layersOf(manifest.layers, diffIds, digest), options);
}

/** @throws as unpackLayer */
async function unpackStored(
  paths: LayoutPaths,
  layers: readonly LayerToUnpack[],
  options: UnpackOptions,
): Promise<void> {
  const { onProgress } = options;
  await forEachLayer(layers, options.signal, async ({ layer, diffId }, signal) => {
    const { digest, size } = layer;
    const tell = (phase: 'unpacking' | 'exists' | 'done'): void =>
      onProgress?.({ digest, phase, current: phase === 'unpacking' ? 0 : size, total: size });
    if (readLayer(paths, diffId) !== undefined) return tell('exists');
    tell('unpacking');
    await unpackBlob(paths, digest, diffId, signal);
    tell('done');
  });
  await fitLayers(paths, layers, options.signal);
}

/** @throws as unpackLayer */
export async function unpackBlob(
  paths: LayoutPaths,
  digest: string,
  diffId: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = await open(paths.blob(digest), 'r');
  try {
    await unpackLayer(paths, { input: file.fd, diffId, users: await layerUsers(), signal });
  } finally {
    await file.close();
  }
}

/** A layer that is unpacked while it is downloaded. */
export class LayerFeed {
  readonly #stream = new PassThrough({ highWaterMark: 1 << 20 });
  readonly #unpacked: Promise<unknown>;
  #hasFailed = false;
  #isOver = false;

  constructor(paths: LayoutPaths, diffId: string, signal: AbortSignal | undefined) {
    this.#unpacked = layerUsers()
      .then((users) => unpackLayer(paths, { input: this.#stream, diffId, users, signal }))
      .catch((error: unknown) => {
        this.#hasFailed = true;
        throw error;
      })
      .finally(() => {
        this.#isOver = true;
        // A writer that waits for the reader.
        this.#stream.destroy();
      });
    this.#unpacked.catch(() => undefined);
    this.#stream.on('error', () => undefined);
  }

  /** Waits until the program that unpacks can take more. @throws why it cannot be unpacked */
  async write(bytes: Uint8Array): Promise<void> {
    // Rejects with the reason.
    if (this.#hasFailed) await this.#unpacked;
    // It was there already: another process has unpacked it meanwhile.
    if (this.#isOver || this.#stream.destroyed) return;
    // The caller may overwrite its bytes.
    if (this.#stream.write(Buffer.from(bytes))) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#stream.off('drain', done);
        this.#stream.off('close', done);
        resolve();
      };
      this.#stream.on('drain', done);
      this.#stream.on('close', done);
    });
  }

  /** All bytes were written. @throws as unpackLayer */
  async end(): Promise<void> {
    this.#stream.end();
    await this.#unpacked;
  }

  /** The bytes were wrong, or will not come. */
  async cancel(): Promise<void> {
    this.#stream.destroy(new Error('the download has ended early'));
    await this.#unpacked.catch(() => undefined);
  }
}
