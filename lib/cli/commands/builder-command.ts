/** `caisson builder prune`. */
import { invalid } from '../../base/check.js';
import { humanSize } from '../../docker/go-units.js';
import { pruneBuildCache } from '../../engine/images/build-cache-usage.js';
import { imagesContext } from '../../engine/images/images-context.js';
import { parsePruneFilters } from '../../engine/views/prune-filters.js';
import { BUILDER_PRUNE } from '../flags/build-flags.js';
import { print } from '../report.js';
import { isConfirmed } from './confirm.js';
import { contextCommand } from './context-command.js';

export const builderPrune = contextCommand(BUILDER_PRUNE, async (line, { store }) => {
  const filters = parsePruneFilters(line.values('filter'), new Date());
  if (filters.labels.length > 0 || filters.withoutLabels.length > 0)
    throw invalid('filter', 'label', 'is no filter of the build cache', 'until=24h');
  const what = line.has('all') ? 'all build cache' : 'all dangling build cache';
  if (!line.has('force') && !(await isConfirmed(what))) return 0;
  const before = filters.until === undefined ? undefined : Number(filters.until / 1_000_000n);
  const { removed, freed } = await pruneBuildCache(imagesContext(store), before);
  const names = removed.map((key) => `${key.slice(0, 12)}\n`).join('');
  if (names !== '') print(1, `Deleted build cache objects:\n${names}\n`);
  print(1, `Total reclaimed space: ${humanSize(freed, 4)}\n`);
  return 0;
});
