/** What the addon tells of a container: numbered events with values by position, which are decoded here alone. */
import type { NativeError, NativeListener } from './binding.js';

/** `Event` of cpp/addon/listener.h. */
export const EVENT = {
  input: 0,
  failed: 1,
  terminal: 2,
  started: 3,
  exited: 4,
  gone: 5,
  data: 6,
  end: 7,
  waiting: 8,
  writable: 9,
} as const;

/** Among the bits of `exited`: the program was exec'ed. */
export const EXECUTED = 4;

/** And another one: the resolver has refused it a name, or it is not known whether it has. */
export const REFUSED = 8;

/** 1 is stdout or the terminal, 2 stderr. */
export type StreamNumber = 1 | 2;

/** How a program has ended. Of one that goes on alone the code is -1 and the signal 0. */
export interface ExitEvent {
  readonly type: 'exited';
  /** -1 where a signal ended it. */
  readonly code: number;
  /** 0 where none did. */
  readonly signal: number;
  readonly oomKills: number;
  /** Whether it was exec'ed at all. */
  readonly executed: boolean;
  /** Whether the resolver may have refused it a name. */
  readonly refused: boolean;
  /** The streams that have ended with it, of which no `end` is told. */
  readonly ended: readonly StreamNumber[];
  /** In nanoseconds: the start of each phase and the ends of its steps. */
  readonly timestamps: () => Float64Array;
}

/**
 * In this order: `input` (stdin is a pipe, and can be written to), `waiting` (where a `release` waits for `goOn`), `terminal`
 * (if there is one) and `started` (both only after `watchStart`; of a detached program `started` always), then `exited` or
 * `failed`, and last `gone`, when everything is torn down: some milliseconds late, unless it `failed` or was killed. Meanwhile
 * `writable` (stdin, which was full, takes more) and, until both streams have ended, `data` and `end` (before the exit only of a
 * stream that was paused or resumed).
 */
export type ContainerEvent =
  | { readonly type: 'input' | 'terminal' | 'writable' | 'gone' }
  | { readonly type: 'waiting' | 'started'; readonly pid: number }
  | { readonly type: 'failed'; readonly error: NativeError }
  | { readonly type: 'data'; readonly stream: StreamNumber; readonly bytes: Buffer }
  | { readonly type: 'end'; readonly stream: StreamNumber }
  | ExitEvent;

const NO_STREAM: readonly StreamNumber[] = [];
/** By the bits of `exited`. */
const ENDED: readonly (readonly StreamNumber[])[] = [NO_STREAM, [1], [2], [1, 2]];

export function containerListener(listener: (event: ContainerEvent) => void): NativeListener {
  return (event, a, b, c, d, e, f) => {
    switch (event) {
      case EVENT.input:
        listener({ type: 'input' });
        break;
      case EVENT.failed:
        listener({ type: 'failed', error: a as NativeError });
        break;
      case EVENT.terminal:
        listener({ type: 'terminal' });
        break;
      case EVENT.started:
        listener({ type: 'started', pid: a as number });
        break;
      case EVENT.exited: {
        const bits = d as number;
        listener({
          type: 'exited',
          code: a as number,
          signal: b as number,
          oomKills: c as number,
          executed: (bits & EXECUTED) !== 0,
          refused: (bits & REFUSED) !== 0,
          ended: ENDED[bits & 3] ?? NO_STREAM,
          timestamps: () => (e as Float64Array).subarray(f as number),
        });
        break;
      }
      case EVENT.gone:
        listener({ type: 'gone' });
        break;
      case EVENT.data: {
        const bytes = (b as Buffer).subarray(c as number, d as number);
        listener({ type: 'data', stream: a as StreamNumber, bytes });
        break;
      }
      case EVENT.end:
        listener({ type: 'end', stream: a as StreamNumber });
        break;
      case EVENT.waiting:
        listener({ type: 'waiting', pid: a as number });
        break;
      case EVENT.writable:
        listener({ type: 'writable' });
        break;
    }
  };
}
