/** `prune --filter`. */
import { any, parseFilterList, refuseFilter, type Rules } from './filter-syntax.js';
import { hasLabel, hasLabels, type Labels } from '../options/labels.js';
import { nanosecondsOf, parseTimeStamp } from '../../base/time-stamp.js';

const PRUNE_RULES: Rules = { until: any, label: any, 'label!': any };

export interface PruneFilters {
  /** Nanoseconds since 1970: only what was made before. */
  readonly until?: bigint;
  readonly labels: readonly string[];
  readonly withoutLabels: readonly string[];
}

export function parsePruneFilters(list: readonly string[], now: Date): PruneFilters {
  const filters = parseFilterList(list, PRUNE_RULES);
  const until = filters.get('until') ?? [];
  if (until.length > 1) throw refuseFilter('until', until.join(', '), 'can be given only once');
  const [moment] = until;
  return {
    ...(moment === undefined ? {} : { until: parseTimeStamp('until', moment, now.getTime()) }),
    labels: filters.get('label') ?? [],
    withoutLabels: filters.get('label!') ?? [],
  };
}

/** Whether `prune` may take it; that it is not in use is for the caller to see. */
export function matchesPrune(
  filters: PruneFilters,
  { created, labels }: { readonly created: string; readonly labels: Labels },
): boolean {
  const made = nanosecondsOf(created) ?? 0n;
  return (
    (filters.until === undefined || made < filters.until) &&
    hasLabels(filters.labels, labels) &&
    !filters.withoutLabels.some((text) => hasLabel(text, labels))
  );
}
