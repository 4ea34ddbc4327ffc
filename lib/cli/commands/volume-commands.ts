/** `caisson volume …`. */
import { CaissonError } from '../../base/errors.js';
import { naturalOrder } from '../../docker/natural-order.js';
import {
  VOLUME_HEADINGS,
  VOLUME_TABLE,
  volumeRow,
  volumeShape,
} from '../../docker/volume-shape.js';
import { humanSize } from '../../docker/go-units.js';
import { volumesIn } from '../../engine/volumes-in.js';
import type { Volumes } from '../../engine/volumes/volumes.js';
import type { CommandLine } from '../args/command-line.js';
import type { CommandSpec } from '../args/command-spec.js';
import type { CommandFunction } from '../command.js';
import {
  VOLUME_CREATE,
  VOLUME_INSPECT,
  VOLUME_LS,
  VOLUME_PRUNE,
  VOLUME_RM,
} from '../flags/volume-flags.js';
import { listFormat } from '../format/table.js';
import { print } from '../report.js';
import { isConfirmed } from './confirm.js';
import { contextCommand } from './context-command.js';
import { complain } from './each.js';
import { inspectFormat, printInspected } from './inspected.js';

function command(
  spec: CommandSpec,
  work: (line: CommandLine, volumes: Volumes) => Promise<number>,
): CommandFunction {
  return contextCommand(spec, (line, context) => work(line, volumesIn(context.store)));
}

export const volumeCreate = command(VOLUME_CREATE, async (line, volumes) => {
  const [name] = line.args;
  const created = await volumes.create(name === '' ? undefined : name, {
    // The engine refuses any other.
    driver: (line.value('driver') ?? 'local') as 'local',
    driverOptions: line.values('opt'),
    labels: line.values('label'),
  });
  print(1, `${created.name}\n`);
  return 0;
});

export const volumeLs = command(VOLUME_LS, async (line, volumes) => {
  const found = await volumes.list(line.values('filter'));
  const sorted = found.sort((a, b) => naturalOrder(a.name, b.name));
  const text = line.value('format');
  if (line.has('quiet') && (text === undefined || text === '' || text === 'table')) {
    print(1, sorted.map(({ name }) => `${name}\n`).join(''));
    return 0;
  }
  const format = listFormat(text, VOLUME_TABLE, VOLUME_HEADINGS);
  print(1, format.render(sorted.map((volume) => volumeRow(volume))));
  return 0;
});

export const volumeInspect = command(VOLUME_INSPECT, async (line, volumes) => {
  const format = inspectFormat(line);
  if (format === undefined) return 64;
  return printInspected(line.args, format, async (name) =>
    volumeShape(await volumes.inspect(name)),
  );
});

export const volumeRm = command(VOLUME_RM, async (line, volumes) => {
  let code = 0;
  for (const name of line.args) {
    try {
      await volumes.remove(name).catch((error: unknown) => {
        const gone = error instanceof CaissonError && error.code === 'ERR_NO_SUCH_VOLUME';
        if (!gone || !line.has('force')) throw error;
      });
      print(1, `${name}\n`);
    } catch (error) {
      await complain(error);
      code = 1;
    }
  }
  return code;
});

export const volumePrune = command(VOLUME_PRUNE, async (line, volumes) => {
  const filters = line.values('filter');
  const all = line.has('all');
  const what = `${all ? 'all' : 'anonymous'} local volumes not used by at least one container`;
  if (!line.has('force') && !(await isConfirmed(what))) return 0;
  const { removed, freed } = await volumes.prune(all ? [...filters, 'all=true'] : filters);
  if (removed.length > 0) print(1, `Deleted Volumes:\n${removed.join('\n')}\n\n`);
  print(1, `Total reclaimed space: ${humanSize(freed, 4)}\n`);
  return 0;
});
