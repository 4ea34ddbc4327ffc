/**
 * What a running pull, load, commit or build needs: digests in a file in `ingest/` that its process holds the lock of. The
 * garbage collection keeps them, and what they refer to.
 */
import type { FileHandle } from 'node:fs/promises';
import { unlink } from 'node:fs/promises';
import { newId } from '../../base/ids.js';
import { storageError } from '../../base/storage.js';
import { isSha256 } from '../../oci/image-spec.js';
import { type LockOptions, openLocked } from './file-locks.js';
import { type BlobSize, Ingest, NewBlob } from './ingest.js';
import type { LayoutPaths } from './layout-paths.js';
import { withStoreLock } from './store-lock.js';

export const PIN_PREFIX = 'pin-';

export class Lease {
  /** Those that are asked for twice are waited for by both. */
  readonly #pinned = new Map<string, Promise<unknown>>();
  #size = 0;
  #closed = false;

  private constructor(
    private readonly paths: LayoutPaths,
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /** @throws ERR_STORAGE */
  static async open(paths: LayoutPaths): Promise<Lease> {
    const path = `${paths.ingest}/${PIN_PREFIX}${newId().slice(0, 16)}`;
    return new Lease(paths, path, await openLocked(path));
  }

  /**
   * From now on no collection removes these blobs and layers. What is there when this returns stays there until `close`.
   *
   * @param digests of blobs, diff ids and chain ids
   * @throws ERR_STORAGE, ERR_LOCK_TIMEOUT
   */
  async pin(...digests: readonly string[]): Promise<void> {
    const added = [...new Set(digests)].filter((digest) => !this.#pinned.has(digest));
    if (added.length > 0) {
      const written = this.append(added.map((digest) => `${digest}\n`).join(''));
      for (const digest of added) this.#pinned.set(digest, written);
    }
    for (const digest of digests) await this.#pinned.get(digest);
  }

  private async append(text: string): Promise<void> {
    const lines = Buffer.from(text);
    const at = this.#size;
    this.#size += lines.length;
    try {
      // A collection that has read the file already is over when this process gets the lock.
      await withStoreLock(this.paths, 'shared', () => this.file.write(lines, 0, lines.length, at));
    } catch (error) {
      throw storageError(this.path, error);
    }
  }

  /** Pins the blob. @returns undefined: it is there. @throws ERR_STORAGE; the signal's reason */
  async ingest(
    blob: BlobSize,
    options: Pick<LockOptions, 'signal' | 'onWait'> = {},
  ): Promise<Ingest | undefined> {
    await this.pin(blob.digest);
    return Ingest.open(this.paths, blob, options);
  }

  /** A blob whose digest is not known yet. */
  newBlob(): Promise<NewBlob> {
    return NewBlob.open(this.paths, newId().slice(0, 16), (digest) => this.pin(digest));
  }

  /** A small blob, such as a manifest. */
  async put(bytes: Uint8Array): Promise<BlobSize> {
    const blob = await this.newBlob();
    try {
      await blob.write(bytes);
      return await blob.commit();
    } catch (error) {
      await blob.remove();
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await unlink(this.path).catch(() => undefined);
    await this.file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Of a pin's file, of which the last line may be cut short. */
export function pinnedDigests(text: string): string[] {
  return text.split('\n').filter((line) => isSha256(line));
}
