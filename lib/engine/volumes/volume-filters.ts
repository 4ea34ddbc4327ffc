/** `volume ls --filter` and `volume prune --filter`, with Docker's meaning. */
import type { StoredVolume } from '../../volumes/stored-volume.js';
import { hasLabel, hasLabels } from '../options/labels.js';
import { any, type Filters, oneOf, parseFilterList, refuseFilter, type Rules } from '../views/filter-syntax.js'; // prettier-ignore
import type { VolumeInfo } from './volume-info.js';

const TRUTHS = ['true', '1', 'false', '0'] as const;

const RULES: Rules = { name: any, label: any, driver: any, dangling: oneOf([...TRUTHS]) };

/** @throws ERR_INVALID_OPTION */
export function parseVolumeFilters(list: readonly string[]): Filters {
  const filters = parseFilterList(list, RULES);
  onlyOnce(filters, 'dangling');
  return filters;
}

function onlyOnce(filters: Filters, key: string): string | undefined {
  const values = filters.get(key) ?? [];
  if (values.length > 1) throw refuseFilter(key, values.join(', '), 'can be given only once');
  return values[0];
}

export function matchesVolume(filters: Filters, volume: VolumeInfo): boolean {
  return [...filters].every(([key, values]) => matchesKey(key, values, volume));
}

function matchesKey(
  key: string,
  values: readonly string[],
  { name, driver, labels, containers }: VolumeInfo,
): boolean {
  switch (key) {
    case 'name':
      return values.some((value) => matchesText(value, name));
    case 'label':
      return hasLabels(values, labels);
    case 'driver':
      return values.includes(driver);
    default:
      return (containers.length === 0) === isTrue(values[0]);
  }
}

/** As moby's filters.Args.Match: a regular expression that matches a part of the text, or the text itself. */
function matchesText(value: string, text: string): boolean {
  if (value === text) return true;
  try {
    return new RegExp(value).test(text);
  } catch {
    return false;
  }
}

function isTrue(value: string | undefined): boolean {
  return value === 'true' || value === '1';
}

const PRUNE_RULES: Rules = { label: any, 'label!': any, all: oneOf([...TRUTHS]) };

export interface VolumePruneFilters {
  readonly labels: readonly string[];
  readonly withoutLabels: readonly string[];
  /** Those with a name, too. */
  readonly all: boolean;
}

/** @throws ERR_INVALID_OPTION */
export function parseVolumePruneFilters(list: readonly string[]): VolumePruneFilters {
  const filters = parseFilterList(list, PRUNE_RULES);
  return {
    labels: filters.get('label') ?? [],
    withoutLabels: filters.get('label!') ?? [],
    all: isTrue(onlyOnce(filters, 'all')),
  };
}

export function matchesPruneVolume(
  { labels, withoutLabels }: VolumePruneFilters,
  volume: Pick<StoredVolume, 'labels'>,
): boolean {
  return (
    hasLabels(labels, volume.labels) && !withoutLabels.some((text) => hasLabel(text, volume.labels))
  );
}
