/** `images --filter` and `image prune --filter`, with Docker's meaning (moby, daemon/images). */
import { nanosecondsOf, parseTimeStamp } from '../../base/time-stamp.js';
import { isManifestReference, matchesPattern } from './name-patterns.js';
import { hasLabel, hasLabels } from '../options/labels.js';
import { any, type Filters, oneOf, parseFilterList, refuseFilter } from '../views/filter-syntax.js';
import type { ImageInfo } from './image-info.js';

const BOOLEAN = oneOf(['true', '1', 'false', '0']);

/** @throws ERR_INVALID_OPTION */
export function parseImageFilters(list: readonly string[]): Filters {
  const filters = parseFilterList(list, {
    before: any,
    dangling: BOOLEAN,
    label: any,
    reference: any,
    since: any,
    until: any,
  });
  return checkSingle(filters, 'before', 'since', 'until', 'dangling');
}

/** @throws ERR_INVALID_OPTION */
export function parseImagePruneFilters(list: readonly string[]): Filters {
  const filters = parseFilterList(list, {
    dangling: BOOLEAN,
    label: any,
    'label!': any,
    until: any,
  });
  return checkSingle(filters, 'until', 'dangling');
}

function checkSingle(filters: Filters, ...keys: readonly string[]): Filters {
  for (const key of keys) {
    const values = filters.get(key) ?? [];
    if (values.length > 1) throw refuseFilter(key, values.join(', '), 'can be given only once');
  }
  const [until] = filters.get('until') ?? [];
  if (until !== undefined) parseTimeStamp('until', until);
  return filters;
}

/** Undefined: the filter was not given. */
export function isDanglingWanted(filters: Filters): boolean | undefined {
  const [value] = filters.get('dangling') ?? [];
  return value === undefined ? undefined : value === 'true' || value === '1';
}

/** The image, with those of its names that match; undefined: it does not match. */
export function matchImage(
  filters: Filters,
  image: ImageInfo,
  /** Of the images that `before` and `since` name. */
  createdOf: (reference: string) => string,
): ImageInfo | undefined {
  const { labels } = image.config;
  const dangling = isDanglingWanted(filters);
  if (dangling !== undefined && dangling !== (image.names.length + image.digests.length === 0))
    return undefined;
  if (!hasLabels(filters.get('label') ?? [], labels)) return undefined;
  if ((filters.get('label!') ?? []).some((text) => hasLabel(text, labels))) return undefined;
  const created = nanosecondsOf(image.created) ?? 0n;
  const [before] = filters.get('before') ?? [];
  if (before !== undefined && created >= (nanosecondsOf(createdOf(before)) ?? 0n)) return undefined;
  const [since] = filters.get('since') ?? [];
  if (since !== undefined && created <= (nanosecondsOf(createdOf(since)) ?? 0n)) return undefined;
  const [until] = filters.get('until') ?? [];
  if (until !== undefined && created >= parseTimeStamp('until', until)) return undefined;
  const patterns = filters.get('reference');
  if (patterns === undefined) return image;
  const fits = (name: string): boolean =>
    patterns.some((pattern) => matchesPattern(pattern, name) || isManifestReference(pattern, name));
  const names = image.names.filter(fits);
  const digests = image.digests.filter(fits);
  return names.length + digests.length === 0 ? undefined : { ...image, names, digests };
}
