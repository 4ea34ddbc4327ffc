/** The option `tty`. */
import { invalid, wholeNumber } from '../../base/check.js';
import type { RunOptions, TerminalSize } from './options.js';

const DEFAULT_TERMINAL: TerminalSize = Object.freeze({ cols: 80, rows: 24 });

export function normalizeTerminal(value: RunOptions['tty']): TerminalSize | undefined {
  if (value === undefined || value === false) return undefined;
  if (value === true) return DEFAULT_TERMINAL;
  if (typeof value !== 'object' || value === null)
    throw invalid('tty', value, 'is not a boolean or { cols, rows }');
  return {
    cols: wholeNumber('tty', value.cols, 1, 65_535),
    rows: wholeNumber('tty', value.rows, 1, 65_535),
  };
}

/** Whether options that have been checked before ask for a terminal. */
export function isTerminal({ tty }: Pick<RunOptions, 'tty'>): boolean {
  return tty !== undefined && tty !== false;
}
