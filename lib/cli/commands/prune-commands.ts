/** `caisson container prune` and `caisson prune`, which also frees addresses that crashes have left claimed. */
import { labelsOf } from '../../engine/options/labels.js';
import { matchesPrune, parsePruneFilters } from '../../engine/views/prune-filters.js';
import { type CommandLine, parseCommandLine } from '../args/command-line.js';
import { at, type CommandContext, type EngineLocation } from '../command-context.js';
import { isConfirmed } from './confirm.js';
import { complain } from './each.js';
import { CONTAINER_PRUNE, PRUNE } from '../flags/prune-flags.js';
import { humanSize } from '../../docker/go-units.js';
import type { CommandFunction } from '../command.js';
import { print } from '../report.js';

export const containerPrune: CommandFunction = (args, location) =>
  runPrune(parseCommandLine(CONTAINER_PRUNE, args), location);

export const prune: CommandFunction = (args, location) =>
  runPrune(parseCommandLine(PRUNE, args), location, async ({ store }) => {
    const { claimContext } = await import('../../engine/networks/container-lookup.js');
    const { freeAddresses } = await import('../../engine/networks/delete-networks.js');
    await freeAddresses(claimContext(store));
  });

async function runPrune(
  line: CommandLine,
  location: EngineLocation,
  more?: (context: CommandContext) => Promise<void>,
): Promise<number> {
  try {
    const filters = parsePruneFilters(line.values('filter'), new Date());
    if (!line.has('force') && !(await isConfirmed('all stopped containers'))) return 0;
    return await at(location, async (context) => {
      const { pruneContainers } = await import('../../engine/container/prune-containers.js');
      const { removed, freed } = await pruneContainers(context, ({ config }) =>
        matchesPrune(filters, { created: config.created, labels: labelsOf(config.options.labels) }),
      );
      await more?.(context);
      if (removed.length > 0) print(1, `Deleted Containers:\n${removed.join('\n')}\n\n`);
      print(1, `Total reclaimed space: ${humanSize(freed, 4)}\n`);
      return 0;
    });
  } catch (error) {
    await complain(error);
    return 1;
  }
}
