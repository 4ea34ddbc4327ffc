/** `Images.list`, `Images.inspect` and `Images.history`. */
import type { ImageInfo, ImageHistoryEntry } from './image-info.js';
import { matchImage, parseImageFilters } from './image-filters.js';
import { imageInfo, layerSizes, namesOf, readImages } from './image-records.js';
import { findRecord } from './find-record.js';
import type { HistoryEntry } from '../../image/write-image-config.js';
import { imageSteps } from './image-steps.js';
import type { ImagesContext } from './images-context.js';

export async function listImages(
  context: ImagesContext,
  filters: readonly string[],
): Promise<ImageInfo[]> {
  const wanted = parseImageFilters(filters);
  const { paths } = context.content;
  const records = await readImages(paths, context.content.entries());
  const created = new Map<string, string>();
  for (const key of ['before', 'since'])
    for (const reference of wanted.get(key) ?? [])
      created.set(reference, (await findRecord(context, reference)).config.created);
  return records
    .map((record) => imageInfo(paths, record))
    .flatMap((image) => matchImage(wanted, image, (name) => created.get(name) ?? '') ?? [])
    .sort((a, b) => Date.parse(b.created || EPOCH) - Date.parse(a.created || EPOCH));
}

const EPOCH = '1970-01-01T00:00:00Z';

export async function inspectImage(context: ImagesContext, reference: string): Promise<ImageInfo> {
  return imageInfo(context.content.paths, await findRecord(context, reference));
}

/** @throws ERR_NO_SUCH_IMAGE */
export async function imageHistory(
  context: ImagesContext,
  reference: string,
): Promise<ImageHistoryEntry[]> {
  const { content } = context;
  const record = await findRecord(context, reference);
  const sizes = layerSizes(content.paths, record);
  const steps = imageSteps(await content.readJson(record.id));
  // An image without a history has one step for each layer.
  const all = steps.length > 0 ? steps : sizes.map(() => ({ ...NO_STEP }));
  let layer = 0;
  const entries = all.map((step) => ({
    id: '<missing>',
    created: step.created ?? '',
    createdBy: step.createdBy ?? '',
    comment: step.comment ?? '',
    size: step.emptyLayer ? 0 : (sizes[layer++] ?? 0),
    names: [] as readonly string[],
  }));
  entries.reverse();
  const [first, ...rest] = entries;
  if (first === undefined) return [];
  return [{ ...first, id: record.id, names: namesOf(record.entries, 'tags') }, ...rest];
}

const NO_STEP: HistoryEntry = { emptyLayer: false };
