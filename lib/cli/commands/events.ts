/** `caisson events` and `caisson prune`. */
import { matchesEvent, parseEventFilters } from '../../engine/views/event-filters.js';
import { followEvents } from '../../engine/store/event-log.js';
import { linesOf } from '../../base/lines.js';
import { matchesPrune, parsePruneFilters } from '../../engine/views/prune-filters.js';
import type { ContainerEvent } from '../../engine/store/stored.js';
import { parseCommandLine } from '../command-line.js';
import { complain } from '../each.js';
import { eventJson, eventLine, eventShape } from '../event-shape.js';
import { EVENTS } from '../flags/events.js';
import { CONTAINER_PRUNE } from '../flags/prune.js';
import { at, type EngineLocation } from '../context.js';
import { humanSize } from '../human.js';
import { OutputStream } from '../output.js';
import { print, printHelp } from '../report.js';
import { parseTemplate, TemplateError } from '../template.js';

export async function events(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(EVENTS, args);
  if (line === undefined) return printHelp('events');
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  const output = new OutputStream(1, stop.signal);
  try {
    const filters = parseEventFilters(line.values('filter'));
    const write = writer(line.value('format'));
    return await at(location, async (context) => {
      const found = followEvents(context.store.paths.runRoot, {
        since: line.value('since'),
        until: line.value('until'),
        signal: stop.signal,
        filter: (event) => matchesEvent(filters, event),
      });
      for await (const event of found) await output.write(`${write(event)}\n`);
      return 0;
    });
  } catch (error) {
    if (error instanceof TemplateError) {
      print(2, `caisson: ${error.message}\n`);
      return 64;
    }
    await complain(error);
    return 1;
  }
}

/** As a line of text, as JSON, or by a template. */
function writer(format: string | undefined): (event: ContainerEvent) => string {
  if (format === undefined || format === '') return eventLine;
  if (format === 'json') return eventJson;
  const template = parseTemplate(format);
  return (event) => template.execute(eventShape(event));
}

export async function prune(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(CONTAINER_PRUNE, args);
  if (line === undefined) return printHelp('container prune');
  try {
    const filters = parsePruneFilters(line.values('filter'), new Date());
    if (!line.has('force') && !(await agreed())) return 0;
    return await at(location, async (context) => {
      const { Containers } = await import('../../engine/container/containers.js');
      const { removed, freed } = await new Containers(context).prune((info) =>
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

async function agreed(): Promise<boolean> {
  print(
    1,
    'WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ',
  );
  for await (const answer of linesOf(process.stdin)) return /^y(?:es)?$/i.test(answer.trim());
  return false;
}
