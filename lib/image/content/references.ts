/** What a blob refers to: what the garbage collection has to keep with it. */
import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readSync, fstatSync } from 'node:fs';
import { isErrno } from '../../base/errno.js';
import { isRecord } from '../../base/check.js';
import { parseJson } from '../../base/storage.js';
import { isSha256 } from '../../oci/image-spec.js';

/** Bytes; a manifest, an index or a configuration that is larger is refused everywhere (4 MiB is what registries accept). */
export const LARGEST_JSON = 4 << 20;

const OPENING_BRACE = 0x7b;

/**
 * Digests of blobs, diff ids and chain ids. Of a blob that is no JSON, none; what it says is not checked, since
 * a wrong reference keeps too much, but never too little.
 */
export function referencesOf(path: string): readonly string[] {
  const { config, layers, manifests, rootfs } = readRecord(path);
  const list = (what: unknown): readonly unknown[] => (Array.isArray(what) ? what : []);
  const digests = [config, ...list(layers), ...list(manifests)].map(
    (each) => (isRecord(each) ? each : {}) as { readonly digest?: unknown },
  );
  const diffIds = list(isRecord(rootfs) ? (rootfs as { diff_ids?: unknown }).diff_ids : []).filter(isSha256); // prettier-ignore
  return [
    ...digests.map(({ digest }) => digest).filter(isSha256),
    ...diffIds,
    ...chainIds(diffIds),
  ];
}

/** Whether it is the manifest of an image, which has layers; a configuration and an index have none. */
export function isManifest(path: string): boolean {
  return Array.isArray(readRecord(path)['layers']);
}

/** Empty if the blob is missing, or no JSON. */
function readRecord(path: string): Readonly<Record<string, unknown>> {
  const text = readJsonText(path);
  const value = text === undefined ? undefined : parseJson(text);
  return isRecord(value) ? (value as Readonly<Record<string, unknown>>) : {};
}

/** Of each layer with those below it (config.md, "Layer ChainID"). */
export function chainIds(diffIds: readonly string[]): string[] {
  let chain: string | undefined;
  return diffIds.map((diffId) => {
    chain =
      chain === undefined
        ? diffId
        : `sha256:${createHash('sha256').update(`${chain} ${diffId}`).digest('hex')}`;
    return chain;
  });
}

function readJsonText(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    const first = Buffer.alloc(1);
    const stats = fstatSync(fd);
    const { size } = stats;
    if (
      !stats.isFile() ||
      size > LARGEST_JSON ||
      readSync(fd, first, 0, 1, 0) === 0 ||
      first[0] !== OPENING_BRACE
    )
      return undefined;
    const bytes = Buffer.alloc(size);
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, size, 0));
  } finally {
    closeSync(fd);
  }
}
