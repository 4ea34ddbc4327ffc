/** The image that a caller means. */
import { noSuchImage } from '../../image/snapshots/no-such-image.js';
import { findImage } from '../../image/snapshots/find-image.js';
import type { Platform } from '../../image/platform.js';
import { type ImageRecord, readImages } from './image-records.js';
import type { ImagesContext } from './images-context.js';

/**
 * @param reference a name, an id, or the beginning of an id
 * @throws ERR_NO_SUCH_IMAGE, ERR_AMBIGUOUS_ID, ERR_INVALID_REFERENCE, ERR_INVALID_IMAGE, ERR_DAMAGED_STATE
 */
export async function findRecord(
  { content }: Pick<ImagesContext, 'content'>,
  reference: string,
  platform?: Platform,
): Promise<ImageRecord> {
  const found = await findImage(content.paths, reference, platform);
  if (found === undefined) throw noSuchImage(reference);
  const records = await readImages(content.paths, content.entries());
  const record = records.find(({ id }) => id === found.id);
  if (record === undefined) throw noSuchImage(reference);
  return record;
}
