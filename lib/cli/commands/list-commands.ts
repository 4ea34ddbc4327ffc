/** `caisson ps`. */
import { shortId } from '../../base/ids.js';
import type { ContainerInfo } from '../../engine/store/stored.js';
import type { ImageNames } from '../../engine/images/image-names-now.js';
import {
  checkReferences,
  type Filters,
  impliesAll,
  matches,
  parseFilters,
} from '../../engine/views/filters.js';
import { type CommandLine, parseCommandLine } from '../args/command-line.js';
import { complain } from './each.js';
import { PS } from '../flags/ps-flags.js';
import { at, type CommandContext, type EngineLocation } from '../command-context.js';
import {
  PS_HEADINGS,
  PS_TABLE,
  PS_TABLE_WITH_SIZE,
  type PsOptions,
  psShape,
} from '../../docker/ps-shape.js';
import { print } from '../report.js';
import { listFormat } from '../format/table.js';
import { TemplateError } from '../template/error.js';

export async function ps(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(PS, args);
  try {
    return await list(line, location);
  } catch (error) {
    await complain(error);
    return 1;
  }
}

async function list(line: CommandLine, location: EngineLocation): Promise<number> {
  const given = parseFilters(line.values('filter'));
  const last = line.integer('last') ?? (line.has('latest') ? 1 : -1);
  const noTrunc = line.has('no-trunc');
  const withSize = line.has('size');
  return at(location, async (context) => {
    const everything = await context.list();
    const images = await namesOfImages(context, everything, given.get('ancestor'));
    const filters = images === undefined ? given : withAncestors(given, images);
    checkReferences(filters, everything);
    const all = line.has('all') || last > 0 || impliesAll(filters);
    let shown = everything.filter(
      (info) => (all || isUp(info)) && matches(filters, info, everything),
    );
    if (last > 0) shown = shown.slice(0, last);
    if (line.has('quiet') && line.value('format') === undefined) {
      print(1, shown.map(({ config: { id } }) => `${noTrunc ? id : shortId(id)}\n`).join(''));
      return 0;
    }
    const now = new Date();
    try {
      const format = listFormat(
        line.value('format'),
        withSize ? PS_TABLE_WITH_SIZE : PS_TABLE,
        PS_HEADINGS,
      );
      const rows = await Promise.all(
        shown.map(async (info) =>
          psShape(info, now, {
            noTrunc,
            image: images?.shown(info.config.image, noTrunc),
            ...(withSize ? { size: await sizeOf(context, info) } : {}),
          }),
        ),
      );
      print(1, format.render(rows));
      return 0;
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      print(2, `caisson: ${error.message}\n`);
      return 1;
    }
  });
}

/** Loaded only if there are containers of images of the store. */
async function namesOfImages(
  context: CommandContext,
  containers: readonly ContainerInfo[],
  wanted: readonly string[] = [],
): Promise<ImageNames | undefined> {
  const images = containers.map(({ config: { image } }) => image);
  if (images.every((image) => image.kind !== 'name' || image.id === undefined)) return undefined;
  const { imageNames } = await import('../../engine/images/image-names-now.js');
  return imageNames(context.store.paths.dataRoot, images, wanted);
}

/** A name means the image that has it now. */
function withAncestors(filters: Filters, images: ImageNames): Filters {
  const wanted = filters.get('ancestor');
  if (wanted === undefined) return filters;
  return new Map([...filters, ['ancestor', wanted.map((name) => images.idOf(name) ?? name)]]);
}

function isUp({ status }: ContainerInfo): boolean {
  return status === 'running' || status === 'paused' || status === 'restarting';
}

/** Bytes in its writable layer, and with those of its image. */
async function sizeOf(
  context: CommandContext,
  { config }: ContainerInfo,
): Promise<NonNullable<PsOptions['size']>> {
  const { frozenSize, layerSize } = await import('../../engine/start/layer-size.js');
  const { imageSize } = await import('../../engine/images/root-size.js');
  const { store } = context;
  const [writable, frozen, image] = await Promise.all([
    layerSize(store.directory(config.id)),
    frozenSize(store, config),
    imageSize(store.paths.dataRoot, config.image),
  ]);
  return image === undefined ? { writable } : { writable, root: writable + frozen + image };
}
