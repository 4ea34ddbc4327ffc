/** What is wrong with a `--format`. */
import { CaissonError } from '../../base/errors.js';

export class TemplateError extends CaissonError {
  /** `parse`: the text is no template. `execute`: it does not fit what it was given. */
  readonly phase: 'parse' | 'execute';
  /** Characters before the place in the template. */
  readonly position: number;

  /** The text is Go's: `template: :1:2: …`, with the line and the column (from 0) of the place. */
  constructor(phase: 'parse' | 'execute', message: string, source: string, position: number) {
    const before = source.slice(0, position);
    const line = before.split('\n').length;
    const column = position - (before.lastIndexOf('\n') + 1);
    super('ERR_INVALID_TEMPLATE', `template: :${line}:${column}: ${message}`, { stage: 'config' });
    this.name = 'TemplateError';
    this.phase = phase;
    this.position = position;
  }
}
