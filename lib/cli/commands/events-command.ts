/** `caisson events`. */
import { matchesEvent, parseEventFilters } from '../../engine/views/event-filters.js';
import { followAllEvents } from '../../engine/networks/denied-events.js';
import type { EngineEvent } from '../../engine/store/stored.js';
import { parseCommandLine } from '../args/command-line.js';
import { complain } from './each.js';
import { eventLine, eventShape } from '../../docker/event-shape.js';
import { EVENTS } from '../flags/events-flags.js';
import { at, type EngineLocation } from '../command-context.js';
import { abortedBySignals } from '../terminal/command-signals.js';
import { OutputStream } from '../terminal/output-stream.js';
import { print } from '../report.js';
import { TemplateError } from '../template/error.js';
import { parseTemplate } from '../template/go-template.js';

export async function events(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(EVENTS, args);
  const stop = abortedBySignals();
  const output = new OutputStream(1, stop);
  try {
    const filters = parseEventFilters(line.values('filter'));
    const write = writer(line.value('format'));
    return await at(location, async (context) => {
      const found = followAllEvents(context.store, {
        since: line.value('since'),
        until: line.value('until'),
        signal: stop,
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
function writer(format: string | undefined): (event: EngineEvent) => string {
  if (format === undefined || format === '') return eventLine;
  const template = parseTemplate(format === 'json' ? '{{json .}}' : format);
  return (event) => template.execute(eventShape(event));
}
