/** The files of an image store: an OCI image layout (image-layout.md), and what is needed to change it (decision 0026). */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../base/errno.js';
import { parseJson, readIfThere, StagedFile, storageError } from '../../base/storage.js';
import { checkOwnDirectory, makeDirectory } from '../../host/private-directory.js';
import { hexOf } from '../../oci/image-spec.js';
import { damaged } from './content-errors.js';

const LAYOUT = { imageLayoutVersion: '1.0.0' };

export class LayoutPaths {
  readonly index: string;
  /** Its bytes are locked: 0 by a process that changes the index, the blobs or the layers. */
  readonly lock: string;
  readonly blobs: string;
  readonly ingest: string;
  readonly layers: string;
  readonly trash: string;

  /** @param root `DATA/images` */
  constructor(readonly root: string) {
    this.index = join(root, 'index.json');
    this.lock = join(root, 'lock');
    this.blobs = join(root, 'blobs/sha256');
    this.ingest = join(root, 'ingest');
    this.layers = join(root, 'layers');
    this.trash = join(root, 'trash');
  }

  blob(digest: string): string {
    return join(this.blobs, hexOf(digest));
  }

  /** Where the blob is while it is written. */
  unfinished(digest: string): string {
    return join(this.ingest, `sha256-${hexOf(digest)}`);
  }

  /** @param id a diff id, or a chain id */
  layer(id: string): string {
    return join(this.layers, `sha256-${hexOf(id)}`);
  }

  /**
   * Makes what is missing.
   *
   * @throws ERR_STORAGE, ERR_NO_PRIVILEGES; ERR_DAMAGED_STATE for a layout of another version
   */
  async prepare(): Promise<void> {
    makeDirectory(this.root);
    checkOwnDirectory(this.root);
    for (const path of [this.blobs, this.ingest, this.layers, this.trash]) makeDirectory(path);
    const path = join(this.root, 'oci-layout');
    const text = readIfThere(path);
    if (text === undefined || text === '') {
      await (await StagedFile.write(path, JSON.stringify(LAYOUT))).commit();
      return;
    }
    const layout = parseJson(text) as Partial<typeof LAYOUT> | undefined;
    if (layout?.imageLayoutVersion !== LAYOUT.imageLayoutVersion)
      throw damaged(path, 'is not the oci-layout file of version 1.0.0');
  }
}

/** A new file, for writing and locking; no link is followed. */
export async function openForLock(path: string): Promise<FileHandle> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  try {
    return await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o644);
  } catch (error) {
    throw isErrno(error, 'ELOOP') ? damaged(path, 'is a link') : storageError(path, error);
  }
}
