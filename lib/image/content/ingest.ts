/** Writing a blob: into `ingest/` first, from there to `blobs/` when its size and its digest are right. */
import { createHash, type Hash } from 'node:crypto';
import { existsSync, fstatSync, statSync } from 'node:fs';
import { type FileHandle, rename, unlink } from 'node:fs/promises';
import { isFull, storageError } from '../../base/storage.js';
import type { BlobDescriptor } from '../../oci/image-spec.js';
import { digestMismatch } from './content-errors.js';
import { isAt, type LockOptions, openLocked } from './file-locks.js';
import type { LayoutPaths } from './layout-paths.js';

export type BlobSize = Pick<BlobDescriptor, 'digest' | 'size'>;

const READ_SIZE = 1 << 20;

/** Whether the blob is there: what is in `blobs/` is whole. One of another size is not the one that is meant. */
export function hasBlob(paths: LayoutPaths, { digest, size }: BlobSize): boolean {
  return statSync(paths.blob(digest), { throwIfNoEntry: false })?.size === size;
}

/**
 * The process that has it is the only one that writes this blob. It continues what an interrupted one has left: the
 * bytes that are there already are `offset`.
 */
export class Ingest {
  #offset = 0;
  #hash: Hash = createHash('sha256');

  private constructor(
    private readonly paths: LayoutPaths,
    readonly descriptor: BlobSize,
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /**
   * Waits for a process that writes the same blob.
   *
   * @returns undefined: the blob is there
   * @throws ERR_STORAGE; the signal's reason
   */
  static async open(
    paths: LayoutPaths,
    descriptor: BlobSize,
    options: Pick<LockOptions, 'signal' | 'onWait'> = {},
  ): Promise<Ingest | undefined> {
    if (hasBlob(paths, descriptor)) return undefined;
    const path = paths.unfinished(descriptor.digest);
    const file = await openLocked(path, options);
    const ingest = new Ingest(paths, descriptor, path, file);
    try {
      if (hasBlob(paths, descriptor)) {
        await ingest.remove();
        return undefined;
      }
      await ingest.takeUp();
      return ingest;
    } catch (error) {
      await ingest.close();
      throw error;
    }
  }

  /** Bytes that are written; the next ones to be fetched begin there. */
  get offset(): number {
    return this.#offset;
  }

  get isWhole(): boolean {
    return this.#offset === this.descriptor.size;
  }

  /** Of what is written so far. */
  digest(): string {
    return `sha256:${this.#hash.copy().digest('hex')}`;
  }

  /** One call after the other. @throws ERR_DIGEST_MISMATCH for more than the descriptor's size; ERR_STORAGE, and nothing is left */
  async write(bytes: Uint8Array): Promise<void> {
    const { digest, size } = this.descriptor;
    if (this.#offset + bytes.length > size) {
      await this.reset();
      throw digestMismatch(digest, `has more than the ${size} bytes that its descriptor says`);
    }
    await this.append(bytes);
    this.#hash.update(bytes);
    this.#offset += bytes.length;
  }

  /** Begins again: the source cannot continue at `offset`, or what it has sent was wrong. */
  async reset(): Promise<void> {
    await this.file.truncate(0);
    this.#offset = 0;
    this.#hash = createHash('sha256');
  }

  /** What is written, from the beginning, for a reader that needs the whole blob. */
  async *written(): AsyncGenerator<Buffer> {
    const end = this.#offset;
    for (let at = 0; at < end;) {
      const bytes = Buffer.allocUnsafe(Math.min(READ_SIZE, end - at));
      const { bytesRead } = await this.file.read(bytes, 0, bytes.length, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield bytes.subarray(0, bytesRead);
    }
  }

  /** The blob is there from now on. @throws ERR_DIGEST_MISMATCH, ERR_STORAGE; another try begins again then */
  async commit(): Promise<void> {
    const { digest, size } = this.descriptor;
    if (this.#offset !== size)
      throw digestMismatch(
        digest,
        `has ${this.#offset} bytes, and not the ${size} of its descriptor`,
      );
    const found = this.digest();
    if (found !== digest) {
      await this.reset();
      throw digestMismatch(digest, `does not have this digest, but ${found}`);
    }
    try {
      await this.file.datasync();
      await rename(this.path, this.paths.blob(digest));
    } catch (error) {
      throw await this.failed(error);
    }
    await this.file.close();
  }

  /** What is written stays for the next process that wants the blob. Not after `commit`. */
  async close(): Promise<void> {
    await this.file.close();
  }

  /** What is written is deleted. */
  async remove(): Promise<void> {
    try {
      if (isAt(this.file, this.path)) await unlink(this.path);
    } finally {
      await this.file.close();
    }
  }

  private async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) {
        const rest = bytes.subarray(done);
        const at = this.#offset + done;
        const { bytesWritten } = await this.file.write(rest, 0, rest.length, at);
        done += bytesWritten;
      }
    } catch (error) {
      throw await this.failed(error);
    }
  }

  /** On a full disk what was written is no use to the next try, which would find the disk full again. */
  private async failed(error: unknown): Promise<unknown> {
    if (isFull(error)) await this.reset().catch(() => undefined);
    return storageError(this.path, error);
  }

  private async takeUp(): Promise<void> {
    const { size } = fstatSync(this.file.fd);
    if (size > this.descriptor.size) return this.reset();
    this.#offset = size;
    for await (const bytes of this.written()) this.#hash.update(bytes);
  }
}

/** A blob whose digest is known only when all of it has been written. */
export class NewBlob {
  #size = 0;
  readonly #hash: Hash = createHash('sha256');

  private constructor(
    private readonly paths: LayoutPaths,
    private readonly path: string,
    private readonly file: FileHandle,
    private readonly pin: (digest: string) => Promise<void>,
  ) {}

  /** @param pin keeps the digest from being collected */
  static async open(
    paths: LayoutPaths,
    name: string,
    pin: (digest: string) => Promise<void>,
  ): Promise<NewBlob> {
    const path = `${paths.ingest}/new-${name}`;
    return new NewBlob(paths, path, await openLocked(path), pin);
  }

  get size(): number {
    return this.#size;
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done, this.#size + done); // prettier-ignore
        done += bytesWritten;
      }
    } catch (error) {
      await this.file.truncate(0).catch(() => undefined);
      throw storageError(this.path, error);
    }
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  async commit(): Promise<BlobSize> {
    const digest = `sha256:${this.#hash.digest('hex')}`;
    const blob = { digest, size: this.#size };
    await this.pin(digest);
    if (hasBlob(this.paths, blob)) {
      await this.remove();
      return blob;
    }
    try {
      await this.file.datasync();
      await rename(this.path, this.paths.blob(digest));
    } catch (error) {
      await this.remove().catch(() => undefined);
      throw storageError(this.path, error);
    }
    await this.file.close();
    return blob;
  }

  /** Also after an error of `commit`, or instead of it. */
  async remove(): Promise<void> {
    if (existsSync(this.path)) await unlink(this.path).catch(() => undefined);
    await this.file.close().catch(() => undefined);
  }
}
