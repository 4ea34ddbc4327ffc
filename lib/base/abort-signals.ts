/** The AbortSignals of callers: each may come from any realm, and be passed to any number of calls. */
import { invalid } from './check.js';

interface Listener {
  readonly aborted: () => void;
}

/** The callbacks for one signal, and the one listener that calls them. */
interface Shared {
  readonly listeners: Set<Listener>;
  readonly tell: () => void;
}

const shared = new WeakMap<AbortSignal, Shared>();

/** Accepts any object with the members that are used here: a signal of another realm, or a substitute. */
export function checkAbortSignal(value: unknown): void {
  if (value === undefined) return;
  const { aborted, addEventListener, removeEventListener } = (value ?? {}) as Partial<AbortSignal>;
  if (
    typeof value !== 'object' ||
    typeof aborted !== 'boolean' ||
    typeof addEventListener !== 'function' ||
    typeof removeEventListener !== 'function'
  )
    throw invalid('signal', value, 'is not an AbortSignal');
}

/**
 * Calls back once when the signal is aborted; not if it already is. Returns a function that stops listening.
 *
 * All calls that are given one signal share one listener on it. With a listener each, Node would warn of a leak from
 * the eleventh on, and the limit of that warning is the caller's: before Node 22.14 it cannot even be read once it is
 * 0, `events.getMaxListeners` then throws ERR_INVALID_ARG_TYPE.
 */
export function onAbort(signal: AbortSignal, aborted: () => void): () => void {
  const { listeners, tell } = shared.get(signal) ?? share(signal);
  const listener: Listener = { aborted };
  listeners.add(listener);
  return () => {
    if (listeners.delete(listener) && listeners.size === 0) leave(signal, tell);
  };
}

function share(signal: AbortSignal): Shared {
  const listeners = new Set<Listener>();
  const tell = () => {
    leave(signal, tell);
    const all = [...listeners];
    listeners.clear();
    for (const { aborted } of all) aborted();
  };
  const made = { listeners, tell };
  shared.set(signal, made);
  signal.addEventListener('abort', tell);
  return made;
}

function leave(signal: AbortSignal, tell: () => void): void {
  shared.delete(signal);
  signal.removeEventListener('abort', tell);
}
