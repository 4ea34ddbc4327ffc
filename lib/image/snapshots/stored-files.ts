/** Manifests and configurations of the store, parsed. Their digests are checked: a disk can be wrong, and other tools write to a layout. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { isErrno } from '../../base/errno.js';
import { digestMismatch, invalidImage, missingBlob } from '../content/content-errors.js';
import type { LayoutPaths } from '../content/layout-paths.js';
import { type ImageConfig, LARGEST_CONFIG, parseImageConfig } from '../image-config.js';
import { type ImageIndex, type ImageManifest, parseManifest } from '../manifest.js';

/**
 * @param mediaType undefined: what the manifest says itself
 * @throws ERR_INVALID_IMAGE, ERR_INVALID_MANIFEST
 */
export async function readManifest(
  paths: LayoutPaths,
  digest: string,
  mediaType: string | undefined,
  name: string,
): Promise<ImageManifest | ImageIndex> {
  return parseManifest(await readBlob(paths, digest), mediaType, name);
}

/** @throws ERR_INVALID_IMAGE */
export async function readConfig(
  paths: LayoutPaths,
  digest: string,
  name: string,
): Promise<ImageConfig> {
  return parseImageConfig(await readBlob(paths, digest), name);
}

async function readBlob(paths: LayoutPaths, digest: string): Promise<Uint8Array> {
  let file: FileHandle;
  try {
    file = await open(paths.blob(digest), 'r');
  } catch (error) {
    throw isErrno(error, 'ENOENT') ? missingBlob(digest) : error;
  }
  try {
    const { size } = await file.stat();
    if (size > LARGEST_CONFIG) throw invalidImage(digest, `has more than ${LARGEST_CONFIG} bytes`);
    const bytes = await file.readFile();
    if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` !== digest)
      throw digestMismatch(digest, 'is damaged on the disk: it has another digest');
    return bytes;
  } finally {
    await file.close();
  }
}
