/** What `load` has taken from an archive. */
import type { BlobSize } from '../../image/content/ingest.js';

/** What an archive has: the small files that say what is in it, and the blobs, which are in the store already. */
export interface ArchiveContent {
  /** `manifest.json`, `index.json`, `oci-layout`. */
  readonly texts: ReadonlyMap<string, Buffer>;
  /** By the names of their entries; links to them, too. */
  readonly blobs: ReadonlyMap<string, BlobSize>;
}

/** An image of an archive, whose blobs are all there. */
export interface ArchiveImage {
  readonly id: string;
  readonly manifest: { readonly mediaType: string; readonly digest: string; readonly size: number };
  /** In full. */
  readonly names: readonly string[];
}
