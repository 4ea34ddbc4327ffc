/** What names of images mean now: those of containers may have become other images'. */
import { findStored } from '../../image/snapshots/resolve.js';
import { shortId } from '../../base/ids.js';
import type { StoredConfig } from '../store/stored.js';

export interface ImageNames {
  /** The digest of the image's configuration; undefined: there is no such image. */
  idOf(name: string): string | undefined;
  /** As `docker ps` shows it: the name, or the id if the name is another image's, or none's, now. */
  shown(image: StoredConfig['image'], noTrunc: boolean): string | undefined;
}

/** @param wanted further names */
export async function imageNames(
  dataRoot: string,
  images: readonly StoredConfig['image'][],
  wanted: readonly string[],
): Promise<ImageNames> {
  const own = images.flatMap((image) => (image.kind === 'name' ? [image.name] : []));
  const ids = new Map<string, string | undefined>();
  for (const name of new Set([...own, ...wanted])) {
    if (name === 'host') continue;
    // What is malformed, or of a damaged image, is the name of none.
    const found = await findStored(name, dataRoot, undefined).catch(() => undefined);
    ids.set(name, found?.id);
  }
  return {
    idOf: (name) => ids.get(name),
    shown: (image, noTrunc) => {
      if (image.kind !== 'name' || image.id === undefined) return undefined;
      if (ids.get(image.name) === image.id && !image.id.startsWith(withAlgorithm(image.name)))
        return image.name;
      return noTrunc ? image.id : shortId(image.id.slice('sha256:'.length));
    },
  };
}

function withAlgorithm(id: string): string {
  return id.startsWith('sha256:') ? id : `sha256:${id}`;
}
