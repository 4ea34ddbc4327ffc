/**
 * Events `network denied`: what the policies of detached containers refuse while a process listens. The kernel and the resolver count it
 * anyway (lib/network/policy/denied.ts); only the process that listens looks, and what it finds is in no file.
 */
import { checkAbortSignal, onAbort } from '../../base/abort-signals.js';
import { CaissonError } from '../../base/errors.js';
import type { DeniedConnection } from '../../network/policy/denied.js';
import { type EventOptions, followEvents, timeNanoNow } from '../store/event-log.js';
import { networkAttributes } from '../store/network-events.js';
import type { Store } from '../store/store.js';
import type { EngineEvent, NetworkEvent } from '../store/stored.js';

/** Milliseconds between two looks: each destination of a container has at most one event in that time. */
const PAUSE = 1_000;

/** Events of one container in each look. What is beyond it is told by the next ones. */
const MOST_AT_ONCE = 16;

/**
 * `followEvents` with what is refused from the first event on that is asked for.
 *
 * @throws ERR_INVALID_OPTION, at once
 */
export function followAllEvents(
  store: Store,
  options: EventOptions = {},
): AsyncGenerator<EngineEvent> {
  checkAbortSignal(options.signal);
  const stop = new AbortController();
  const found = followEvents(store.paths.runRoot, { ...options, signal: stop.signal });
  return merged(store, found, stop, options);
}

async function* merged(
  store: Store,
  found: AsyncGenerator<EngineEvent>,
  stop: AbortController,
  { signal, filter }: EventOptions,
): AsyncGenerator<EngineEvent> {
  const unlisten = signal && onAbort(signal, () => stop.abort());
  if (signal?.aborted === true) stop.abort();
  const looks = new DeniedLooks(store);
  let timer: NodeJS.Timeout | undefined;
  const pause = () =>
    new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, PAUSE, undefined);
    });
  let pending: Promise<IteratorResult<EngineEvent, unknown>> | undefined;
  try {
    pending = found.next();
    // What was refused before is no event.
    await looks.look();
    for (let due = pause(); ;) {
      const next = await Promise.race([pending, due]);
      if (next === undefined) {
        for (const event of await looks.look()) if (filter?.(event) !== false) yield event;
        due = pause();
        continue;
      }
      if (next.done === true) return;
      looks.hear(next.value);
      yield next.value;
      pending = found.next();
    }
  } finally {
    clearTimeout(timer);
    unlisten?.();
    // The other one waits for an event, and is woken.
    stop.abort();
    await pending?.catch(() => undefined);
    await found.return(undefined);
  }
}

/** What has been told of each container. */
class DeniedLooks {
  /** By container and destination: how often it had been refused. */
  private readonly told = new Map<string, Map<string, number>>();
  private first = true;

  constructor(private readonly store: Store) {}

  /** A run begins with counters of its own. */
  hear({ type, action, id }: EngineEvent): void {
    if (type === 'container' && (action === 'start' || action === 'die')) this.told.delete(id);
  }

  /** None at the first look. Without the firewall, or if it changes just now, what there is is told later. */
  async look(): Promise<NetworkEvent[]> {
    const isFirst = this.first;
    this.first = false;
    try {
      const { restrictedContainers } = await import('./restricted-containers.js');
      const found = await restrictedContainers(this.store);
      const present = new Set(found.map(({ id }) => id));
      for (const id of this.told.keys()) if (!present.has(id)) this.told.delete(id);
      return found.flatMap(({ id, network, denied }) =>
        this.news(id, denied, isFirst).map(([each, count]) => ({
          type: 'network' as const,
          action: 'denied' as const,
          id: network.id,
          attributes: {
            ...networkAttributes(network),
            container: id,
            ...attributesOf(each, count),
          },
          timeNano: timeNanoNow(),
        })),
      );
    } catch (error) {
      if (error instanceof CaissonError) return [];
      throw error;
    }
  }

  /** Those with more than was told of them. */
  private news(
    id: string,
    denied: readonly DeniedConnection[],
    isFirst: boolean,
  ): (readonly [DeniedConnection, number])[] {
    const told = this.told.get(id) ?? new Map<string, number>();
    this.told.set(id, told);
    const news: (readonly [DeniedConnection, number])[] = [];
    for (const each of denied) {
      const { address, port, protocol, host, count } = each;
      const key = [protocol, address ?? host, port].join(' ');
      const before = told.get(key) ?? 0;
      if (count === before || (!isFirst && news.length >= MOST_AT_ONCE)) continue;
      told.set(key, count);
      // Fewer than before: the set was made again.
      if (!isFirst) news.push([each, count < before ? count : count - before]);
    }
    return news;
  }
}

function attributesOf(
  { host, address, port, protocol }: DeniedConnection,
  count: number,
): Record<string, string> {
  return {
    ...(host === undefined ? {} : { host }),
    ...(address === undefined ? {} : { address }),
    ...(port === undefined ? {} : { port: String(port) }),
    protocol,
    count: String(count),
  };
}
