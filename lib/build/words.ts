/** The arguments of an instruction: flags, JSON arrays, words, and `name=value` lists. */
import { dockerfileError } from './dockerfile-error.js';

export interface Flag {
  readonly name: string;
  /** Undefined for a flag without `=`. */
  readonly value: string | undefined;
}

/** Flags come first; `--` ends them. */
export function takeFlags(
  text: string,
  escape: string,
): { readonly flags: readonly Flag[]; readonly rest: string } {
  const flags: Flag[] = [];
  let rest = text;
  while (rest.startsWith('--')) {
    const [word, end] = takeWord(rest, 0, escape);
    rest = rest.slice(end).trimStart();
    if (word === '--') break;
    const equals = word.indexOf('=');
    flags.push(
      equals < 0
        ? { name: word.slice(2), value: undefined }
        : { name: word.slice(2, equals), value: word.slice(equals + 1) },
    );
  }
  return { flags, rest };
}

/** The strings of a JSON array; undefined for anything else, which then is the shell form. */
export function jsonForm(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  return value.every((one) => typeof one === 'string') ? value : undefined;
}

/** Words with their quotes and escapes, which `expand` takes away. */
export function splitWords(text: string, escape: string): readonly string[] {
  const words: string[] = [];
  for (let at = skipSpace(text, 0); at < text.length; ) {
    const [word, end] = takeWord(text, at, escape);
    words.push(word);
    at = skipSpace(text, end);
  }
  return words;
}

/** `name=value …`, or with one name and no `=`, `name the rest of the line`. Values are as written. */
export function assignments(
  instruction: string,
  text: string,
  escape: string,
  line: number,
): readonly (readonly [name: string, value: string])[] {
  const words = splitWords(text, escape);
  const first = words[0];
  if (first === undefined) throw dockerfileError(line, `${instruction} must have arguments`);
  if (!first.includes('=')) {
    const value = text.slice(first.length).trim();
    if (value === '') throw dockerfileError(line, `${instruction} must have two arguments`);
    return [[first, value]];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) {
      throw dockerfileError(
        line,
        `Syntax error - can't find = in "${word}". Must be of the form: name=value`,
      );
    }
    if (equals === 0) throw dockerfileError(line, `${instruction} names can not be blank`);
    return [word.slice(0, equals), word.slice(equals + 1)] as const;
  });
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at]!)) at++;
  return at;
}

/** From `from` to the next white space that is neither quoted nor escaped. */
function takeWord(text: string, from: number, escape: string): readonly [string, number] {
  let quote = '';
  let at = from;
  for (; at < text.length; at++) {
    const character = text[at]!;
    if (character === escape && quote !== "'") at++;
    else if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (/\s/.test(character)) break;
  }
  at = Math.min(at, text.length);
  return [text.slice(from, at), at];
}
