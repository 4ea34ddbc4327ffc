/**
 * `--format`: the part of Go's text/template that people use there, with Docker's functions. No `define`,
 * `template` and `block`.
 */
import { evaluate } from './evaluate.js';
import { FUNCTIONS, HEADING_FUNCTIONS } from './functions.js';
import { parse } from './parse.js';

export interface ExecuteOptions {
  /** A key that a map does not have. Default: it prints as `<no value>`. */
  readonly missingKey?: 'no-value' | 'error';
  /** For the headings of a table: functions that would change a value leave it alone. */
  readonly heading?: boolean;
}

export interface Template {
  /** Throws a TemplateError of the phase `execute`. */
  execute(data: unknown, options?: ExecuteOptions): string;
}

/** Throws a TemplateError of the phase `parse`. */
export function parseTemplate(source: string): Template {
  const nodes = parse(source);
  return {
    execute: (data, { missingKey = 'no-value', heading = false } = {}) =>
      evaluate(source, nodes, data, {
        functions: heading ? HEADING_FUNCTIONS : FUNCTIONS,
        missingKey,
      }),
  };
}
