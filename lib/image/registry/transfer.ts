/** What the registry client and its callers give each other: the callers have the files, the client has the network. */
import type { Descriptor, ImageManifest } from '../manifest.js';

/** Where a download goes: an ingest file. The client calls one method at a time, and waits for its promise. */
export interface BlobSink {
  /** Bytes that it has. The download begins there. */
  readonly offset: number;
  /**
   * The bytes that it has, from the first one on. It is called once, before the first `write`, if `offset` is not 0: the
   * digest is that of all bytes.
   */
  read(): AsyncIterable<Uint8Array>;
  /** Appends. The bytes may be overwritten after the promise is resolved. */
  write(bytes: Uint8Array): Promise<void> | void;
  /** Removes all bytes: what is there has the wrong digest, or the registry cannot continue a download. */
  reset(): Promise<void> | void;
  /**
   * The digest of all bytes that it has, such as `sha256:…`, if it hashes them itself: the client then does not, and does
   * not call `read`.
   */
  digest?(): Promise<string> | string;
}

/** Where an upload comes from. */
export interface BlobSource {
  /** It may be called again, with the offset at which the registry continues. */
  read(offset: number): AsyncIterable<Uint8Array>;
}

export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  /** @param current bytes that are there, of `descriptor.size`. It can decrease, if a download has to begin again. */
  readonly onProgress?: ((current: number, total: number) => void) | undefined;
}

/** A manifest's bytes with what they mean. */
export interface ResolvedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly manifest: ImageManifest;
  /** The indexes through which it was found, the outermost first: the digest of the name is the first one's. */
  readonly indexes: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[];
}
