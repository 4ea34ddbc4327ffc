/** What `list` and `inspect` say about an image. */
import type { ImageConfig } from '../../image/image-config.js';

/** What `Images.list` and `Images.inspect` report. */
export interface ImageInfo {
  /** Digest of the configuration: `sha256:` and 64 hexadecimal digits. */
  readonly id: string;
  /** Digest of the manifest. If several manifests have this configuration, of the one that was named last. */
  readonly digest: string;
  /** Names with a tag, as short as possible: `debian:12`. Empty: it lost them to other images. */
  readonly names: readonly string[];
  /** Names with a digest, as the image was pulled: `debian@sha256:…`. */
  readonly digests: readonly string[];
  /** ISO 8601; empty if the image does not say. */
  readonly created: string;
  /** ISO 8601, UTC: when it was given one of its names the last time; empty if it has none. */
  readonly tagged: string;
  /** Bytes of all its files; of layers that are not unpacked, of their blobs. */
  readonly size: number;
  /** What it says of itself and of its containers. */
  readonly config: ImageConfig;
}

/** A step of the image's build, the last one first. */
export interface ImageHistoryEntry {
  /** The image's own in the first entry, `<missing>` in the others, as with Docker. */
  readonly id: string;
  /** ISO 8601; empty if the image does not say. */
  readonly created: string;
  /** The instruction. */
  readonly createdBy: string;
  /** Free text. */
  readonly comment: string;
  /** Bytes of its layer; 0 without one. */
  readonly size: number;
  /** Of the image, in the first entry. */
  readonly names: readonly string[];
}

/** What a removal has removed. */
export interface RemovedImages {
  /** Names, in their short form. */
  readonly untagged: readonly string[];
  /** Digests of images, and of layers that no other image has. */
  readonly deleted: readonly string[];
  /** Bytes of blobs and layers. */
  readonly freed: number;
}

/** An image that an archive had. */
export interface LoadedImage {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly id: string;
  /** In their short form. Empty: the archive has none for it. */
  readonly names: readonly string[];
}
