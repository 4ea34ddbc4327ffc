/** The log of a container. */
import { checkOptions } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import { type LogEntry, type LogOptions, readLogs } from '../logs/log-reader.js';
import { noSuchContainer } from '../store/store.js';
import type { ContainerContext } from './container-context.js';
import { exitOf } from './wait-container.js';

export function containerLogs(
  context: ContainerContext,
  id: string,
  options: Omit<LogOptions, 'ended'>,
): AsyncGenerator<LogEntry> {
  const { store } = context;
  checkOptions(options);
  const config = store.config(id);
  if (config === undefined) throw noSuchContainer(id);
  if (config.log.driver === 'none') {
    throw new CaissonError('ERR_NO_LOG', 'the log driver "none" keeps nothing to be read', {
      stage: 'config',
      path: id,
    });
  }
  const over = new AbortController();
  const entries = readLogs(store.directory(id), {
    ...options,
    ended: async () => {
      await exitOf(context, id, over.signal);
    },
  });
  return untilReaderLeaves(entries, over);
}

/** A reader that leaves does not wait for the container's end either. */
async function* untilReaderLeaves(
  entries: AsyncGenerator<LogEntry>,
  over: AbortController,
): AsyncGenerator<LogEntry> {
  try {
    yield* entries;
  } finally {
    over.abort();
  }
}
