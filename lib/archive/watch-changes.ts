/** What happens in a directory of a container, as an iteration. */
import type { FileServer, WatchedChange } from './file-server.js';

/** Changes that nobody has asked for yet. */
const MOST_WAITING = 10_000;

export async function* watchChanges(
  server: FileServer,
  path: string,
  recursive: boolean,
  signal?: AbortSignal,
): AsyncGenerator<WatchedChange, void, undefined> {
  signal?.throwIfAborted();
  const waiting: WatchedChange[] = [];
  let wake: (() => void) | undefined;
  let ended = false;
  const heard = (change: WatchedChange) => {
    if (waiting.length < MOST_WAITING) waiting.push(change);
    else waiting[MOST_WAITING - 1] = { kind: 'lost', path: '' };
    wake?.();
  };
  const end = () => {
    ended = true;
    wake?.();
  };
  const stop = await server.watch(path, recursive, heard);
  void server.ended.then(end);
  signal?.addEventListener('abort', end, { once: true });
  try {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) yield next;
      else if (ended) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    signal?.removeEventListener('abort', end);
    stop();
  }
}
