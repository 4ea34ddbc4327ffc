/** `caisson container prune` and `caisson prune`, which is the same as long as there is nothing else to prune. */
import { linesOf } from '../../base/lines.js';
import { matchesPrune, parsePruneFilters } from '../../engine/views/prune-filters.js';
import { type CommandLine, parseCommandLine } from '../args/command-line.js';
import { at, type EngineLocation } from '../command-context.js';
import { complain } from './each.js';
import { CONTAINER_PRUNE, PRUNE } from '../flags/prune-flags.js';
import { humanSize } from '../../docker/go-units.js';
import type { CommandFunction } from '../command.js';
import { print } from '../report.js';

export const containerPrune: CommandFunction = (args, location) =>
  runPrune(parseCommandLine(CONTAINER_PRUNE, args), location);

export const prune: CommandFunction = (args, location) =>
  runPrune(parseCommandLine(PRUNE, args), location);

async function runPrune(line: CommandLine, location: EngineLocation): Promise<number> {
  try {
    const filters = parsePruneFilters(line.values('filter'), new Date());
    if (!line.has('force') && !(await isConfirmed())) return 0;
    return await at(location, async (context) => {
      const { pruneContainers } = await import('../../engine/container/prune-containers.js');
      const { removed, freed } = await pruneContainers(context, (info) =>
        matchesPrune(filters, info),
      );
      if (removed.length > 0) print(1, `Deleted Containers:\n${removed.join('\n')}\n\n`);
      print(1, `Total reclaimed space: ${humanSize(freed)}\n`);
      return 0;
    });
  } catch (error) {
    await complain(error);
    return 1;
  }
}

async function isConfirmed(): Promise<boolean> {
  print(
    1,
    'WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ',
  );
  for await (const answer of linesOf(process.stdin)) return /^y(?:es)?$/i.test(answer.trim());
  return false;
}
