/** `caisson images`, `image inspect`, `image prune`, `rmi`, `tag` and `history`. */
import { CaissonError } from '../../base/errors.js';
import {
  historyHeadings,
  HISTORY_TABLE,
  historyRow,
  IMAGE_HEADINGS,
  IMAGE_TABLE,
  IMAGE_TABLE_WITH_DIGESTS,
  imageRows,
  imageShape,
} from '../../docker/image-shape.js';
import { humanSize } from '../../docker/go-units.js';
import type { RemovedImages } from '../../engine/images/image-info.js';
import { HISTORY, IMAGE_INSPECT, IMAGE_PRUNE, IMAGES, RMI, TAG } from '../flags/image-flags.js';
import { listFormat } from '../format/table.js';
import { print } from '../report.js';
import { isConfirmed } from './confirm.js';
import { complain } from './each.js';
import { imageCommand } from './image-command.js';
import { inspectFormat, printInspected } from './inspected.js';

export const images = imageCommand(IMAGES, async (line, all) => {
  const [reference] = line.args;
  const filters = [
    ...line.values('filter'),
    ...(reference === undefined ? [] : [`reference=${reference}`]),
  ];
  const found = await all.list(filters);
  const digests = line.has('digests');
  const noTrunc = line.has('no-trunc');
  const now = new Date();
  const rows = found.flatMap((image) => imageRows(image, now, { digests, noTrunc }));
  const text = line.value('format');
  if (line.has('quiet') && (text === undefined || text === '' || text === 'table')) {
    print(1, rows.map(({ ID }) => `${ID}\n`).join(''));
    return 0;
  }
  const standard = digests ? IMAGE_TABLE_WITH_DIGESTS : IMAGE_TABLE;
  print(1, listFormat(text, standard, { ...IMAGE_HEADINGS }).render(rows));
  return 0;
});

export const imageInspect = imageCommand(IMAGE_INSPECT, async (line, all) => {
  const format = inspectFormat(line);
  if (format === undefined) return 64;
  return printInspected(line.args, format, async (name) => imageShape(await all.inspect(name)));
});

export const rmi = imageCommand(RMI, async (line, all) => {
  let code = 0;
  for (const name of line.args) {
    try {
      print(1, removedText(await all.remove(name, { force: line.has('force') })));
    } catch (error) {
      const gone = error instanceof CaissonError && error.code === 'ERR_NO_SUCH_IMAGE';
      await complain(error);
      if (!(gone && line.has('force'))) code = 1;
    }
  }
  return code;
});

export function removedText({ untagged, deleted }: RemovedImages, lower = false): string {
  const word = (text: string) => (lower ? text.toLowerCase() : text);
  return [
    ...untagged.map((name) => `${word('Untagged')}: ${name}\n`),
    ...deleted.map((id) => `${word('Deleted')}: ${id}\n`),
  ].join('');
}

export const imagePrune = imageCommand(IMAGE_PRUNE, async (line, all) => {
  const everything = line.has('all');
  const what = everything
    ? 'all images without at least one container associated to them'
    : 'all dangling images';
  if (!line.has('force') && !(await isConfirmed(what))) return 0;
  const filters = [...line.values('filter'), ...(everything ? ['dangling=false'] : [])];
  const removed = await all.prune(filters);
  if (removed.untagged.length + removed.deleted.length > 0)
    print(1, `Deleted Images:\n${removedText(removed, true)}\n`);
  print(1, `Total reclaimed space: ${humanSize(removed.freed, 4)}\n`);
  return 0;
});

export const tag = imageCommand(TAG, async (line, all) => {
  const [source = '', target = ''] = line.args;
  await all.tag(source, target);
  return 0;
});

export const history = imageCommand(HISTORY, async (line, all) => {
  const entries = await all.history(line.args[0] ?? '');
  const noTrunc = line.has('no-trunc');
  const now = new Date();
  const human = line.has('human', true);
  const rows = entries.map((entry) => historyRow(entry, now, { noTrunc, human }));
  const text = line.value('format');
  if (line.has('quiet') && (text === undefined || text === '' || text === 'table')) {
    print(1, rows.map(({ ID }) => `${ID}\n`).join(''));
    return 0;
  }
  print(1, listFormat(text, HISTORY_TABLE, { ...historyHeadings(human) }).render(rows));
  return 0;
});
