/** `caisson stats`, `top` and `update`. */
import { CaissonError } from '../../base/errors.js';
import { shortId } from '../../base/ids.js';
import type { Container } from '../../engine/container/container.js';
import { cpuPercent, type ContainerStats } from '../../engine/views/stats.js';
import type { ContainerInfo } from '../../engine/store/stored.js';
import { parseCommandLine } from '../args/command-line.js';
import { complain, each } from './each.js';
import { RESOURCE_FLAGS } from '../flags/resource-flags.js';
import { STATS } from '../flags/stats-flags.js';
import { TOP } from '../flags/top-flags.js';
import { UPDATE } from '../flags/update-flags.js';
import { at, type CommandContext, type EngineLocation } from '../command-context.js';
import { bytesSize, humanSize, percentage } from '../../docker/go-units.js';
import { abortedBySignals } from '../terminal/command-signals.js';
import { OutputStream } from '../terminal/output-stream.js';
import { print } from '../report.js';
import { alignColumns, listFormat } from '../format/table.js';
import { markStruct } from '../../docker/go-values.js';
import { TemplateError } from '../template/error.js';

/** Between two samples, in milliseconds. */
const INTERVAL = 1000;

const TABLE =
  '{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}';

const HEADINGS = markStruct('Headings', {
  BlockIO: 'BLOCK I/O',
  CPUPerc: 'CPU %',
  Container: 'CONTAINER',
  ID: 'CONTAINER ID',
  MemPerc: 'MEM %',
  MemUsage: 'MEM USAGE / LIMIT',
  Name: 'NAME',
  NetIO: 'NET I/O',
  PIDs: 'PIDS',
});

export async function stats(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(STATS, args);
  const names = line.args;
  const once = line.has('no-stream');
  const stop = abortedBySignals();
  try {
    const format = listFormat(line.value('format'), TABLE, HEADINGS);
    return await at(location, async (context) => {
      const before = new Map<string, ContainerStats>();
      const rows = async () => {
        const found = await chosen(context, names, line.has('all'));
        const all = await Promise.all(
          found.map(({ info, asked }) => row(context, info, asked, before, line.has('no-trunc'))),
        );
        return all.filter((each) => each !== undefined);
      };
      await rows();
      const output = new OutputStream(1, stop);
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, INTERVAL));
        if (stop.aborted) return 0;
        const text = format.render(await rows());
        // On a terminal each sample replaces the previous one.
        const clear = process.stdout.isTTY && !once && format.isTable ? '\x1b[2J\x1b[H' : '';
        await output.write(clear + text);
        if (once) return 0;
      }
    });
  } catch (error) {
    if (!(error instanceof TemplateError)) {
      await complain(error);
      return 1;
    }
    print(2, `caisson: ${error.message}\n`);
    return 1;
  }
}

interface Chosen {
  readonly info: ContainerInfo;
  /** The name or id from the command line, otherwise the long id. */
  readonly asked: string;
}

async function chosen(
  context: CommandContext,
  names: readonly string[],
  all: boolean,
): Promise<readonly Chosen[]> {
  if (names.length > 0)
    return Promise.all(
      names.map(async (asked) => ({ info: await (await context.get(asked)).inspect(), asked })),
    );
  const infos = await context.list();
  return infos
    .filter(({ status }) => all || status === 'running' || status === 'paused')
    .map((info) => ({ info, asked: info.config.id }));
}

/** Undefined if it has been removed meanwhile. */
async function row(
  context: CommandContext,
  { config: { id, name } }: ContainerInfo,
  asked: string,
  before: Map<string, ContainerStats>,
  noTrunc: boolean,
): Promise<object | undefined> {
  const container = await context.get(id).catch(ifRemoved);
  if (container === undefined) return undefined;
  const now = await container.stats().catch(() => undefined);
  // As Docker: a container that does not run uses nothing. `--`: the machine does not count it.
  const idle = now === undefined;
  const previous = before.get(id);
  if (now !== undefined) before.set(id, now);
  const memory = now?.memory;
  const network = Object.values(now?.networks ?? {});
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const pair = (a: number, b: number) => `${humanSize(a)} / ${humanSize(b)}`;
  return markStruct('Stats', {
    BlockIO: pair(now?.blkio?.readBytes ?? 0, now?.blkio?.writeBytes ?? 0),
    CPUPerc: percentage(
      now === undefined || previous === undefined ? 0 : cpuPercent(previous, now),
    ),
    Container: asked,
    ID: noTrunc ? id : shortId(id),
    MemPerc: idle
      ? percentage(0)
      : memory === undefined
        ? '--'
        : percentage((memory.usage / memory.limit) * 100),
    MemUsage: idle
      ? '0B / 0B'
      : memory === undefined
        ? '-- / --'
        : `${bytesSize(memory.usage)} / ${bytesSize(memory.limit)}`,
    Name: name,
    NetIO: pair(
      sum(network.map(({ rxBytes }) => rxBytes)),
      sum(network.map(({ txBytes }) => txBytes)),
    ),
    // Not a field of Docker; only cgroup v2 has it.
    ...(now?.pressure === undefined ? {} : { Pressure: now.pressure }),
    PIDs: idle ? '0' : now?.pids === undefined ? '--' : String(now.pids.current),
  });
}

function ifRemoved(error: unknown): undefined {
  if (!(error instanceof CaissonError && error.code === 'ERR_NO_SUCH_CONTAINER')) throw error;
}

export async function top(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(TOP, args);
  const [name = '', ...psArgs] = line.args;
  try {
    return await at(location, async (context) => {
      const container: Container = await context.get(name);
      const { titles, processes } = await container.top(psArgs.length === 0 ? undefined : psArgs);
      const text = [titles, ...processes].map((fields) => fields.join('\t')).join('\n');
      print(1, alignColumns(`${text}\n`, 20));
      return 0;
    });
  } catch (error) {
    await complain(error);
    return 1;
  }
}

export async function update(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(UPDATE, args);
  const change: Record<string, unknown> = {};
  for (const { long, option } of RESOURCE_FLAGS) {
    const value = line.value(long);
    if (value !== undefined && option !== undefined) change[option] = value;
  }
  const restart = line.value('restart');
  if (restart === undefined && Object.keys(change).length === 0) {
    print(2, 'caisson: you must provide one or more flags when using this command.\n');
    return 1;
  }
  return each(line.args, location, (container) => container.update({ ...change, restart }));
}
