/** The images of a data root: an OCI image layout that all processes share (decision 0026). It knows no registry. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { isErrno } from '../../base/errno.js';
import { parseJson } from '../../base/storage.js';
import { type Collected, collect, type CollectOptions } from './collect.js';
import { invalidImage, missingBlob } from './content-errors.js';
import { type IndexEntry, readIndex, writeIndex } from './image-index.js';
import { type BlobSize, hasBlob } from './ingest.js';
import { LayoutPaths } from './layout-paths.js';
import { Lease } from './lease.js';
import { LARGEST_JSON } from './references.js';
import { withStoreLock } from './store-lock.js';

export class ContentStore {
  readonly paths: LayoutPaths;
  #prepared: Promise<void> | undefined;

  /** Touches no file yet. */
  constructor(dataRoot: string) {
    this.paths = new LayoutPaths(join(dataRoot, 'images'));
  }

  /** All images, in the order in which they came. @throws ERR_DAMAGED_STATE */
  entries(): IndexEntry[] {
    return readIndex(this.paths.index);
  }

  /**
   * Replaces the index, while no other process changes it.
   *
   * @param change gets the entries of now; the blobs that its entries lead to are pinned, or in the index already. Undefined: nothing
   *   is changed.
   * @throws ERR_STORAGE, ERR_DAMAGED_STATE, ERR_LOCK_TIMEOUT, and what `change` throws; the index is as it was then
   */
  async change(
    change: (
      entries: readonly IndexEntry[],
    ) => readonly IndexEntry[] | undefined | Promise<readonly IndexEntry[] | undefined>,
  ): Promise<void> {
    await this.prepare();
    await withStoreLock(this.paths, 'exclusive', async () => {
      const entries = await change(this.entries());
      if (entries === undefined) return;
      await syncDirectory(this.paths.blobs);
      await writeIndex(this.paths.index, entries);
    });
  }

  /** What the operation needs is kept until the lease is closed. */
  async lease(): Promise<Lease> {
    await this.prepare();
    return Lease.open(this.paths);
  }

  has(blob: BlobSize): boolean {
    return hasBlob(this.paths, blob);
  }

  blobPath(digest: string): string {
    return this.paths.blob(digest);
  }

  layerPath(id: string): string {
    return this.paths.layer(id);
  }

  /** @throws ERR_INVALID_IMAGE when the blob is missing */
  async read(digest: string): Promise<Readable> {
    await this.sizeOf(digest);
    return createReadStream(this.paths.blob(digest), { highWaterMark: 1 << 20 });
  }

  /** Bytes. @throws ERR_INVALID_IMAGE when the blob is missing */
  async sizeOf(digest: string): Promise<number> {
    try {
      return (await stat(this.paths.blob(digest))).size;
    } catch (error) {
      throw isErrno(error, 'ENOENT') ? missingBlob(digest) : error;
    }
  }

  /** A manifest, an index or a configuration. @throws ERR_INVALID_IMAGE: missing, damaged, too large, or no JSON */
  async readJson(digest: string): Promise<unknown> {
    const size = await this.sizeOf(digest);
    if (size > LARGEST_JSON) throw invalidImage(digest, `has more than ${LARGEST_JSON} bytes`);
    const bytes = await readFile(this.paths.blob(digest));
    if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` !== digest)
      throw invalidImage(digest, 'is damaged on the disk: it has another digest');
    const value = parseJson(bytes.toString('utf8'));
    if (value === undefined) throw invalidImage(digest, 'is not JSON');
    return value;
  }

  /** @throws ERR_LOCK_TIMEOUT, ERR_DAMAGED_STATE */
  async collect(options: CollectOptions = {}): Promise<Collected> {
    await this.prepare();
    return collect(this.paths, options);
  }

  /** Makes the directories. */
  prepare(): Promise<void> {
    return (this.#prepared ??= this.paths.prepare().catch((error: unknown) => {
      this.#prepared = undefined;
      throw error;
    }));
  }
}

/** After a power cut, an index that names a blob implies the blob. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
