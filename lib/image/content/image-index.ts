/** `index.json`: which images there are. It is replaced as a whole, by a process that holds the store's lock. */
import { isRecord } from '../../base/check.js';
import { parseJson, readIfThere, StagedFile } from '../../base/storage.js';
import { type BlobDescriptor, isSha256, INDEX_TYPE, REF_NAME } from '../../oci/image-spec.js';
import { damaged } from './content-errors.js';

/** When the name was given to the image: ISO 8601, UTC. */
export const TAGGED = 'io.caisson.image.tagged';

/** One entry; several can lead to one manifest. */
export interface IndexEntry extends BlobDescriptor {
  /** In full: `docker.io/library/debian:latest`, or `…@sha256:…`. Undefined for an image that lost its name to another one. */
  readonly name: string | undefined;
}

/** @throws ERR_DAMAGED_STATE */
export function readIndex(path: string): IndexEntry[] {
  const text = readIfThere(path);
  if (text === undefined) return [];
  const index = parseJson(text);
  const manifests = isRecord(index) ? (index as { manifests?: unknown }).manifests : undefined;
  if (!Array.isArray(manifests)) throw damaged(path, 'is not an OCI image index');
  return manifests.map((value: unknown) => {
    if (!isDescriptor(value)) throw damaged(path, 'has an entry that is not a descriptor');
    return { ...value, name: value.annotations?.[REF_NAME] };
  });
}

export function isDescriptor(value: unknown): value is BlobDescriptor {
  if (!isRecord(value)) return false;
  const { mediaType, digest, size, annotations } = value as Partial<
    Record<keyof BlobDescriptor, unknown>
  >;
  return (
    typeof mediaType === 'string' &&
    isSha256(digest) &&
    Number.isSafeInteger(size) &&
    (size as number) >= 0 &&
    (annotations === undefined ||
      (isRecord(annotations) &&
        Object.values(annotations).every((text) => typeof text === 'string')))
  );
}

/** @throws ERR_STORAGE; the index is as it was then. */
export async function writeIndex(path: string, entries: readonly IndexEntry[]): Promise<void> {
  const index = {
    schemaVersion: 2,
    mediaType: INDEX_TYPE,
    manifests: entries.map(descriptorOf),
  };
  const staged = await StagedFile.write(path, `${JSON.stringify(index, undefined, 1)}\n`, true);
  await staged.commit();
}

function descriptorOf({ name, annotations, ...descriptor }: IndexEntry): BlobDescriptor {
  const others = Object.entries(annotations ?? {}).filter(([key]) => key !== REF_NAME);
  const all = Object.fromEntries([...(name === undefined ? [] : [[REF_NAME, name]]), ...others]) as Record<string, string>; // prettier-ignore
  return Object.keys(all).length === 0 ? descriptor : { ...descriptor, annotations: all };
}
