/** Signals by name and number. */
import { constants } from 'node:os';
import { invalid } from './check.js';

const SIGRTMIN = 34;
const SIGRTMAX = 64;
const NUMBERS = constants.signals as Readonly<Record<string, number | undefined>>;

/** The number of `TERM`, `SIGTERM`, `15`, `RTMIN+1` or `RTMAX-1`, in any case. */
export function parseSignal(option: string, value: string | number): number {
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw invalid(option, value, 'is not a signal');
  }
  const text = String(value).toUpperCase();
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= SIGRTMAX) return number;
    throw invalid(option, value, 'is not a signal');
  }
  const name = text.startsWith('SIG') ? text : `SIG${text}`;
  const known = NUMBERS[name];
  if (known !== undefined) return known;
  const realTime = /^SIGRT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realTime !== null) {
    const offset = Number(realTime[3] ?? '0') * (realTime[2] === '-' ? -1 : 1);
    const number = (realTime[1] === 'MIN' ? SIGRTMIN : SIGRTMAX) + offset;
    if (number >= SIGRTMIN && number <= SIGRTMAX) return number;
  }
  throw invalid(option, value, 'is not a signal', 'such as TERM, SIGKILL, 15 or RTMIN+1');
}

/** If a number has two names, the first is the usual one: SIGABRT, not SIGIOT. */
const SIGNAL_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** `SIGKILL` for 9; the number itself if it has no name. */
export function signalName(number: number): string {
  return SIGNAL_NAMES.get(number) ?? String(number);
}
