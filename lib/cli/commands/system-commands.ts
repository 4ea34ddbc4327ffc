/** `caisson system df` and `caisson system prune`. */
import {
  CACHE_HEADINGS,
  CACHE_USAGE_TABLE,
  CONTAINER_USAGE_TABLE,
  IMAGE_USAGE_TABLE,
  USAGE_HEADINGS,
  USAGE_TABLE,
  usageRows,
  verboseUsage,
  VOLUME_USAGE_TABLE,
} from '../../docker/disk-usage-shape.js';
import { humanSize } from '../../docker/go-units.js';
import { IMAGE_HEADINGS } from '../../docker/image-shape.js';
import { naturalOrder } from '../../docker/natural-order.js';
import { PS_HEADINGS } from '../../docker/ps-shape.js';
import { VOLUME_HEADINGS } from '../../docker/volume-shape.js';
import { type DiskUsage, diskUsage } from '../../engine/disk-usage.js';
import { imageNames } from '../../engine/images/image-names-now.js';
import type { PruneOptions, PruneStep } from '../../engine/prune-unused.js';
import type { CommandContext } from '../command-context.js';
import { SYSTEM_DF, SYSTEM_PRUNE } from '../flags/system-flags.js';
import { listFormat } from '../format/table.js';
import { print } from '../report.js';
import { parseTemplate } from '../template/go-template.js';
import { isAgreed } from './confirm.js';
import { contextCommand } from './context-command.js';
import { removedText } from './image-commands.js';

export const systemDf = contextCommand(SYSTEM_DF, async (line, context) => {
  const text = line.value('format');
  if (line.has('verbose')) return printVerbose(context, text);
  const format = listFormat(text, USAGE_TABLE, USAGE_HEADINGS);
  print(1, format.render(usageRows(await diskUsage(context))));
  return 0;
});

async function printVerbose(context: CommandContext, text = 'table'): Promise<number> {
  const isTable = text === '' || text.startsWith('table');
  const template = isTable ? undefined : parseTemplate(text === 'json' ? '{{json .}}' : text);
  const usage = inOrder(await diskUsage(context));
  const images = usage.containers.items.map(({ container }) => container.config.image);
  const names = await imageNames(context.store.paths.dataRoot, images, []);
  const now = new Date();
  const shape = verboseUsage(usage, now, !isTable, ({ container }) =>
    names.shown(container.config.image, !isTable),
  );
  if (template !== undefined) {
    print(1, template.execute(shape));
    return 0;
  }
  const table = (title: string, standard: string, headings: object, rows: readonly object[]) =>
    `${title}\n\n${listFormat('table', standard, headings as never).render(rows)}`;
  print(
    1,
    [
      table('Images space usage:', IMAGE_USAGE_TABLE, IMAGE_HEADINGS, shape.Images),
      table('Containers space usage:', CONTAINER_USAGE_TABLE, PS_HEADINGS, shape.Containers),
      table('Local Volumes space usage:', VOLUME_USAGE_TABLE, VOLUME_HEADINGS, shape.Volumes),
      table(
        `Build cache usage: ${humanSize(usage.builds.size, 4)}`,
        CACHE_USAGE_TABLE,
        CACHE_HEADINGS,
        shape.BuildCache,
      ),
    ].join('\n'),
  );
  return 0;
}

/** As the lists of each kind are. */
function inOrder(usage: DiskUsage): DiskUsage {
  const age = (created: string) => Date.parse(created || '1970-01-01T00:00:00Z');
  const images = [...usage.images.items].sort((a, b) => age(b.image.created) - age(a.image.created)); // prettier-ignore
  const volumes = [...usage.volumes.items].sort((a, b) => naturalOrder(a.volume.name, b.volume.name)); // prettier-ignore
  return {
    ...usage,
    images: { ...usage.images, items: images },
    volumes: { ...usage.volumes, items: volumes },
  };
}

export const systemPrune = contextCommand(SYSTEM_PRUNE, async (line, context) => {
  const options = {
    allImages: line.has('all'),
    volumes: line.has('volumes'),
    filters: line.values('filter'),
  };
  const { checkPrune, pruneSteps } = await import('../../engine/prune-unused.js');
  checkPrune(options);
  if (!line.has('force') && !(await isAgreed(warning(options)))) return 0;
  let freed = 0;
  for await (const step of pruneSteps(context, options)) {
    print(1, stepText(step));
    if (step.kind !== 'networks') freed += step.pruned.freed;
  }
  print(1, `Total reclaimed space: ${humanSize(freed, 4)}\n`);
  return 0;
});

function warning({ allImages, volumes, filters }: Required<PruneOptions>): string {
  const filtered = [...(filters ?? [])].sort(naturalOrder);
  const lines = [
    'WARNING! This will remove:',
    '  - all stopped containers',
    '  - all networks not used by at least one container',
    ...(volumes ? ['  - all anonymous volumes not used by at least one container'] : []),
    allImages
      ? '  - all images without at least one container associated to them'
      : '  - all dangling images',
    `  - ${allImages ? 'all' : 'unused'} build cache`,
    '',
    ...(filtered.length === 0 ? [] : ['  Items to be pruned will be filtered with:']),
    ...filtered.map((filter) => `  - ${filter}`),
    ...(filtered.length === 0 ? [] : ['']),
  ];
  return lines.join('\n');
}

/** Empty if nothing was removed. */
function stepText(step: PruneStep): string {
  const list = (kind: string, names: readonly string[]) =>
    names.length === 0 ? '' : `Deleted ${kind}:\n${names.join('\n')}\n\n`;
  switch (step.kind) {
    case 'containers':
      return list('Containers', step.pruned.removed);
    case 'networks':
      return list('Networks', step.pruned.map(({ name }) => name)); // prettier-ignore
    case 'volumes':
      return list('Volumes', step.pruned.removed);
    case 'builds':
      return list('build cache objects', step.pruned.removed.map((key) => key.slice(0, 12))); // prettier-ignore
    case 'images': {
      const text = removedText(step.pruned, true);
      return text === '' ? '' : `Deleted Images:\n${text}\n`;
    }
  }
}
