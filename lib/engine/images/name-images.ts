/** Names of images in the index, and `Images.tag`. */
import { invalid } from '../../base/check.js';
import { type IndexEntry, TAGGED } from '../../image/content/image-index.js';
import type { Descriptor } from '../../image/manifest.js';
import { fullName, parseReference, withDefaultTag } from '../../image/reference.js';
import { findRecord } from './find-record.js';
import { recordImageEvent } from '../store/image-events.js';
import { shortName } from './image-records.js';
import type { ImagesContext } from './images-context.js';

/** The image that had the name stays in the index: without a name, if it has no other. */
export function withName(
  entries: readonly IndexEntry[],
  image: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>,
  name: string | undefined,
): IndexEntry[] {
  const { mediaType, digest, size } = image;
  const others = name === undefined ? [...entries] : withoutName(entries, name);
  if (name === undefined && others.some((entry) => entry.digest === digest)) return others;
  const entry: IndexEntry = {
    mediaType,
    digest,
    size,
    annotations: { ...(name === undefined ? {} : { [TAGGED]: new Date().toISOString() }) },
    name,
  };
  const kept = others.filter((other) => other.digest !== digest || other.name !== undefined);
  return [...kept, entry];
}

/** The image stays in the index without a name, if it had no other. */
export function withoutName(entries: readonly IndexEntry[], name: string): IndexEntry[] {
  const removed = entries.filter((entry) => entry.name === name);
  const kept = entries.filter((entry) => entry.name !== name);
  for (const { mediaType, digest, size } of removed)
    if (!kept.some((entry) => entry.digest === digest))
      kept.push({ mediaType, digest, size, name: undefined });
  return kept;
}

/**
 * The full name that a target means: with a tag, `latest` if none is given.
 *
 * @throws ERR_INVALID_REFERENCE; ERR_INVALID_OPTION for a digest, which no image can be given
 */
export function targetName(target: string, option: string): string {
  const reference = withDefaultTag(parseReference(target));
  if (reference.digest !== undefined)
    throw invalid(option, target, 'has a digest: an image can be given a tag only');
  return fullName(reference);
}

export async function tagImage(
  context: ImagesContext,
  source: string,
  target: string,
): Promise<void> {
  const name = targetName(target, 'target');
  let id = '';
  await context.content.change(async (entries) => {
    const record = await findRecord(context, source);
    ({ id } = record);
    const entry = record.entries.at(-1);
    return entry === undefined ? undefined : withName(entries, entry, name);
  });
  recordImageEvent(context.store.paths.runRoot, id, 'tag', shortName(name));
}
