/** What a fuzzer has, and what all of them need. */
import { CaissonError } from '../../lib/base/errors.js';

export interface Target {
  readonly name: string;
  readonly seeds: readonly Buffer[];
  readonly words: readonly Buffer[];
  readonly run: (bytes: Buffer) => void | Promise<void>;
}

export const texts = (...list: readonly string[]): readonly Buffer[] =>
  list.map((text) => Buffer.from(text));
export const JSON_WORDS = texts(
  '{',
  '}',
  '[',
  ']',
  '"',
  '\\',
  ':',
  ',',
  'null',
  '-1',
  '1e9',
  '\\u0000',
  '"__proto__":',
  '{"log":',
);

/** What a parser may throw: an error with a code. */
export function allowed(error: unknown): undefined {
  if (!(error instanceof CaissonError)) throw error;
  return undefined;
}
