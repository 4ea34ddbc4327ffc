/** `Engine.images`. What the methods need is loaded when they are called. */
import type { ImageHistoryEntry, ImageInfo, LoadedImage, RemovedImages } from './image-info.js';
import type { ImagesContext } from './images-context.js';
import type { ImportOptions } from './import-image.js';
import type { LoadOptions } from './load-archive.js';
import type { PulledImage, PullOptions } from './pull-image.js';
import type { PushedImage, PushOptions } from './push-image.js';
import type { RemoveImageOptions } from './remove-images.js';

let make: (context: () => Promise<ImagesContext>) => Images;

/** @param context is loaded when it is first needed */
export function imagesOf(context: () => Promise<ImagesContext>): Images {
  return make(context);
}

/** Images that this machine has, for all processes that use the data root. An image is named by a name (`debian:12`), its id, or the beginning of its id. */
export class Images {
  readonly #load: () => Promise<ImagesContext>;
  #loaded: Promise<ImagesContext> | undefined;

  static {
    make = (context) => new Images(context);
  }

  private constructor(context: () => Promise<ImagesContext>) {
    this.#load = context;
  }

  /**
   * Fetches an image from its registry: layers are downloaded three at a time, and unpacked meanwhile. What is there
   * already is not downloaded; what an interrupted pull has left is continued. If another process pulls the same
   * layers, this one waits for them.
   *
   * @param reference `debian`, `debian:12`, `registry.example.org/name@sha256:…`
   * @throws ERR_INVALID_REFERENCE, ERR_INVALID_OPTION, ERR_NO_SUCH_IMAGE, ERR_REGISTRY_UNREACHABLE,
   *   ERR_REGISTRY_UNAUTHORIZED, ERR_RATE_LIMITED, ERR_REGISTRY_FAILED, ERR_REGISTRY_CONFIG, ERR_INVALID_MANIFEST, ERR_INVALID_IMAGE,
   *   ERR_DIGEST_MISMATCH, ERR_INVALID_LAYER, ERR_LAYER_TOO_LARGE, ERR_UNPACK_FAILED, ERR_NO_PRIVILEGES, ERR_STORAGE; the
   *   signal's reason. The name is what it was then.
   *
   * @example
   * const { reference, names } = await engine.images.pull('busybox', { onProgress: ({ phase }) => console.error(phase) });
   * console.log(reference, names[0]); // docker.io/library/busybox:latest busybox:latest
   */
  async pull(reference: string, options: PullOptions = {}): Promise<PulledImage> {
    const { pullImage } = await import('./pull-image.js');
    return pullImage(await this.#context(), reference, options);
  }

  /**
   * Uploads an image under its name. Layers that the repository has are not uploaded.
   *
   * @param reference a name with a tag, which the image has; `latest` if none is given
   * @throws as `inspect`; ERR_REGISTRY_UNREACHABLE, ERR_REGISTRY_UNAUTHORIZED, ERR_RATE_LIMITED, ERR_REGISTRY_FAILED; the signal's
   *   reason
   *
   * @example
   * await engine.images.tag('busybox', 'registry.example.org/team/busybox');
   * const { digest } = await engine.images.push('registry.example.org/team/busybox');
   * console.log(digest.startsWith('sha256:')); // true
   */
  async push(reference: string, options: PushOptions = {}): Promise<PushedImage> {
    const { pushImage } = await import('./push-image.js');
    return pushImage(await this.#context(), reference, options);
  }

  /**
   * The newest first.
   *
   * @param filters Docker's `key=value`: before, dangling, label, reference, since, until
   * @throws ERR_INVALID_OPTION, ERR_DAMAGED_STATE
   *
   * @example
   * for (const { names, size } of await engine.images.list(['reference=busybox'])) console.log(names, size);
   */
  async list(filters: readonly string[] = []): Promise<ImageInfo[]> {
    const { listImages } = await import('./list-images.js');
    return listImages(await this.#context(), filters);
  }

  /**
   * The image with that name, id, or beginning of an id.
   *
   * @throws ERR_NO_SUCH_IMAGE, ERR_AMBIGUOUS_ID, ERR_INVALID_REFERENCE, ERR_INVALID_IMAGE, ERR_DAMAGED_STATE
   *
   * @example
   * const { config } = await engine.images.inspect('busybox');
   * console.log(config.os); // linux
   */
  async inspect(reference: string): Promise<ImageInfo> {
    const { inspectImage } = await import('./list-images.js');
    return inspectImage(await this.#context(), reference);
  }

  /**
   * How the image was built, the last step first.
   *
   * @throws as `inspect`
   *
   * @example
   * for (const { createdBy, size } of await engine.images.history('busybox')) console.log(createdBy, size);
   */
  async history(reference: string): Promise<ImageHistoryEntry[]> {
    const { imageHistory } = await import('./list-images.js');
    return imageHistory(await this.#context(), reference);
  }

  /**
   * Gives an image another name. An image that had it loses it.
   *
   * @param target with the tag `latest`, if it has none
   * @throws as `inspect`; ERR_INVALID_OPTION for a target with a digest; ERR_STORAGE
   *
   * @example
   * await engine.images.tag('busybox', 'tools:1');
   * console.log((await engine.images.inspect('tools:1')).config.os); // linux
   */
  async tag(source: string, target: string): Promise<void> {
    const { tagImage } = await import('./name-images.js');
    await tagImage(await this.#context(), source, target);
  }

  /**
   * Removes a name, and the image with the last one. By its id, all names and the image.
   *
   * @throws as `inspect`; ERR_IMAGE_IN_USE: containers were made from it, or it has names of several repositories
   *
   * @example
   * await engine.images.tag('busybox', 'tools:2');
   * console.log((await engine.images.remove('tools:2')).untagged); // [ 'tools:2' ]
   */
  async remove(reference: string, options: RemoveImageOptions = {}): Promise<RemovedImages> {
    const { removeImage } = await import('./remove-images.js');
    return removeImage(await this.#context(), reference, options);
  }

  /**
   * Removes images that have no name and from which no container was made, and what killed processes have left.
   *
   * @param filters Docker's `key=value`: dangling, label, label!, until; `dangling=false` also removes images with names
   * @throws ERR_INVALID_OPTION, ERR_REMOVE_FAILED, ERR_STORAGE
   *
   * @example
   * const { deleted, freed } = await engine.images.prune();
   * console.log(deleted.length, freed);
   */
  async prune(filters: readonly string[] = []): Promise<RemovedImages> {
    const { pruneImages } = await import('./remove-images.js');
    return pruneImages(await this.#context(), filters);
  }

  /**
   * Adds the images of an archive: of `save`, `docker save`, or an OCI image layout as a tar archive, also compressed with gzip.
   *
   * @param input a path, or the bytes
   * @throws ERR_INVALID_IMAGE, ERR_INVALID_MANIFEST, ERR_DIGEST_MISMATCH, ERR_STORAGE, and no image is added then; ERR_NO_SUCH_SOURCE
   *
   * @example
   * import { writeFile } from 'node:fs/promises';
   *
   * await writeFile('busybox.tar', engine.images.save(['busybox']));
   * for (const { names } of await engine.images.load('busybox.tar')) console.log(names); // [ 'busybox:latest' ]
   */
  async load(
    input: string | AsyncIterable<Uint8Array>,
    options: LoadOptions = {},
  ): Promise<LoadedImage[]> {
    const { loadImages } = await import('./load-archive.js');
    return loadImages(await this.#context(), input, options);
  }

  /**
   * An archive of images, that `load`, `docker load`, podman and skopeo read: `docker save`'s, with an OCI image layout in it.
   *
   * @throws as `inspect`, when the first bytes are read; ERR_INVALID_IMAGE
   *
   * @example
   * import { writeFile } from 'node:fs/promises';
   *
   * await writeFile('images.tar', engine.images.save(['busybox']));
   */
  async *save(references: readonly string[]): AsyncGenerator<Uint8Array> {
    const { saveImages } = await import('./save-images.js');
    yield* saveImages(await this.#context(), references);
  }

  /**
   * Makes an image of one layer from the tar archive of a root file system, also compressed with gzip.
   *
   * @param input a path, or the bytes
   * @param target its name; default: none
   * @throws ERR_INVALID_OPTION, ERR_INVALID_REFERENCE, ERR_INVALID_IMAGE, ERR_STORAGE, ERR_NO_SUCH_SOURCE
   *
   * @example
   * const image = await engine.images.import(await box.export(), 'flat:1', { changes: ['CMD ["echo", "hello"]'] });
   * console.log((await engine.run(image.id)).stdout.trim()); // hello
   */
  async import(
    input: string | AsyncIterable<Uint8Array>,
    target?: string,
    options: ImportOptions = {},
  ): Promise<ImageInfo> {
    const { importImage } = await import('./import-image.js');
    return importImage(await this.#context(), input, target, options);
  }

  #context(): Promise<ImagesContext> {
    return (this.#loaded ??= this.#load());
  }
}
