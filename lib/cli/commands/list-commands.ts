/** `caisson ps` and `caisson inspect`. */
import { networkText } from '../../engine/options/options.js';
import { shortId } from '../../base/ids.js';
import { accountsSwap } from '../../cgroup/limits/swap.js';
import type { ContainerInfo } from '../../engine/store/stored.js';
import { joinedHostname } from '../../engine/store/joined-names.js';
import { checkReferences, impliesAll, matches, parseFilters } from '../../engine/views/filters.js';
import { type CommandLine, parseCommandLine } from '../args/command-line.js';
import { complain } from './each.js';
import { INSPECT } from '../flags/inspect-flags.js';
import { PS } from '../flags/ps-flags.js';
import { at, type CommandContext, type EngineLocation } from '../command-context.js';
import { PS_HEADINGS, PS_TABLE, PS_TABLE_WITH_SIZE, psShape } from '../../docker/ps-shape.js';
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
  const filters = parseFilters(line.values('filter'));
  const last = line.integer('last') ?? (line.has('latest') ? 1 : -1);
  const noTrunc = line.has('no-trunc');
  const withSize = line.has('size');
  return at(location, async (context) => {
    const everything = await context.list();
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
            ...(withSize ? { size: { writable: await writtenBy(context, info) } } : {}),
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

function isUp({ status }: ContainerInfo): boolean {
  return status === 'running' || status === 'paused' || status === 'restarting';
}

/** Whether a memory limit alone also limits swap; the machine is asked only if that matters. */
async function limitsSwap(context: CommandContext, { config }: ContainerInfo): Promise<boolean> {
  const { memory, memorySwap } = config.options;
  if (memory === undefined || memorySwap !== undefined) return false;
  return accountsSwap(await context.cgroups());
}

/** Bytes in its writable layer. */
async function writtenBy(context: CommandContext, { config }: ContainerInfo): Promise<number> {
  const { layerSize } = await import('../../engine/start/layer-size.js');
  return layerSize(context.store.directory(config.id));
}

export async function inspect(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(INSPECT, args);
  const type = line.value('type');
  if (type !== undefined && type !== 'container') {
    print(2, `caisson: "${type}" is not a known type of object: container\n`);
    return 1;
  }
  const { inspectShape } = await import('../../docker/inspect-shape.js');
  const { selinuxLabelsOf } = await import('../../engine/options/security-options.js');
  const { parseTemplate } = await import('../template/go-template.js');
  const text = line.value('format');
  let template: ReturnType<typeof parseTemplate> | undefined;
  try {
    if (text !== undefined && text !== '')
      template = parseTemplate(text === 'json' ? '{{json .}}' : text);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    print(2, `caisson: template parsing error: ${error.message}\n`);
    return 64;
  }
  return at(location, async (context) => {
    let code = 0;
    const shapes: object[] = [];
    const lines: string[] = [];
    for (const name of line.args) {
      try {
        const info = await (await context.get(name)).inspect();
        const directory = context.store.directory(info.config.id);
        const shape = inspectShape(info, {
          ...(info.config.log.driver === 'none' ? {} : { logPath: `${directory}/json.log` }),
          // A layer with a size has its directories in a separate file system.
          ...(info.config.options.storageOpt === undefined
            ? { upperDir: `${directory}/upper`, workDir: `${directory}/work` }
            : {}),
          selinux: selinuxLabelsOf(info.config.id, info.config.options.securityOpt),
          swapLimit: await limitsSwap(context, info),
          joinedName: await joinedHostname(context.store, networkText(info.config.options)),
          ...(line.has('size') ? { sizeRw: await writtenBy(context, info) } : {}),
        });
        if (template === undefined) shapes.push(shape);
        else lines.push(`${template.execute(shape, { missingKey: 'error' })}\n`);
      } catch (error) {
        code = 1;
        if (error instanceof TemplateError) {
          print(2, `caisson: template parsing error: ${error.message}\n`);
          continue;
        }
        await complain(error);
      }
    }
    if (template === undefined) print(1, `${JSON.stringify(shapes, undefined, 4)}\n`);
    else print(1, lines.join('') || '\n');
    return code;
  });
}
