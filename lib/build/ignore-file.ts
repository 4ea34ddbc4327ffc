/**
 * `.dockerignore`: which files of a build context are left out.
 * docs.docker.com/build/concepts/context, ".dockerignore files"
 */
import { CaissonError } from '../base/errors.js';
import { splitLines } from '../base/lines.js';

interface Rule {
  readonly include: boolean;
  readonly parts: readonly string[];
}

/** In bytes. */
const MAX_FILE = 1 << 20;

export class IgnoreFile {
  private constructor(private readonly rules: readonly Rule[]) {}

  /** Leaves nothing out. */
  static readonly empty = new IgnoreFile([]);

  /**
   * @param name for errors.
   * @throws ERR_INVALID_OPTION with the line of a pattern that is none.
   */
  static parse(source: string, name = '.dockerignore'): IgnoreFile {
    if (source.length > MAX_FILE) throw invalid(name, 1, `is larger than ${MAX_FILE} bytes`);
    const rules: Rule[] = [];
    for (const [index, row] of splitLines(source.replace(/^\uFEFF/, '')).entries()) {
      const text = row.trim();
      if (text === '' || row.startsWith('#')) continue;
      const include = text.startsWith('!');
      const pattern = cleanPath(include ? text.slice(1).trim() : text);
      if (pattern === '' && include) throw invalid(name, index + 1, `illegal exclusion pattern: "!"`);
      // The context itself cannot be left out.
      if (pattern === '') continue;
      const parts = pattern.split('/');
      for (const part of parts) checkPattern(part, name, index + 1);
      rules.push({ include, parts });
    }
    return new IgnoreFile(rules);
  }

  /**
   * Whether a file or directory is left out. A rule for a directory holds for all below it; the last rule that fits decides.
   *
   * @param path below the context, with `/` and without `./`.
   */
  ignores(path: string): boolean {
    const parts = path.split('/');
    let ignored = false;
    for (const { include, parts: pattern } of this.rules) {
      if (include === !ignored) continue;
      if (parts.some((_, index) => matches(pattern, parts.slice(0, index + 1)))) ignored = !include;
    }
    return ignored;
  }

  /** False: nothing below a directory that is left out can be taken in again, and it need not be read. */
  mayHaveIncluded(path: string): boolean {
    const parts = path.split('/');
    return this.rules.some(({ include, parts: pattern }) => {
      if (!include) return false;
      const anywhere = pattern.indexOf('**');
      const fixed = anywhere < 0 ? pattern : pattern.slice(0, anywhere);
      const common = Math.min(fixed.length, parts.length);
      return matches(fixed.slice(0, common), parts.slice(0, common));
    });
  }
}

/** As Go's filepath.Clean, without a leading `/`. */
function cleanPath(path: string): string {
  const out: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && out.length > 0) out.pop();
    else if (part !== '..') out.push(part);
  }
  return out.join('/');
}

/** Whether a path fits a pattern of Go's filepath.Match, with `**`. */
export function matchesPath(pattern: string, path: string): boolean {
  return matches(pattern.split('/'), path.split('/'));
}

/** `**` stands for any number of directories. */
function matches(pattern: readonly string[], parts: readonly string[]): boolean {
  // Row by row: whether the pattern so far fits the first n parts.
  let fits = [true, ...parts.map(() => false)];
  for (const one of pattern) {
    const next = fits.map(() => false);
    for (let n = 0; n <= parts.length; n++) {
      if (one === '**') next[n] = fits[n]! || (n > 0 && next[n - 1]!);
      else next[n] = n > 0 && fits[n - 1]! && matchesName(one, parts[n - 1]!);
    }
    fits = next;
  }
  return fits[parts.length]!;
}

type Token =
  | { readonly kind: 'many' | 'one' }
  | { readonly kind: 'text'; readonly character: string }
  | {
      readonly kind: 'class';
      readonly negated: boolean;
      readonly ranges: readonly (readonly [from: number, to: number])[];
    };

/** Go's filepath.Match for one name. In time of their product: there is no going back. */
function matchesName(pattern: string, name: string): boolean {
  const characters = [...name];
  let fits = [true, ...characters.map(() => false)];
  for (const token of tokensOf(pattern) ?? []) {
    const next = fits.map(() => false);
    for (let n = 0; n <= characters.length; n++) {
      if (token.kind === 'many') next[n] = fits[n]! || (n > 0 && next[n - 1]!);
      else next[n] = n > 0 && fits[n - 1]! && accepts(token, characters[n - 1]!);
    }
    fits = next;
  }
  return fits[characters.length]!;
}

function accepts(token: Token, character: string): boolean {
  if (token.kind === 'text') return token.character === character;
  if (token.kind !== 'class') return true;
  const code = character.codePointAt(0)!;
  return token.ranges.some(([from, to]) => from <= code && code <= to) !== token.negated;
}

const tokens = new Map<string, readonly Token[] | undefined>();

function tokensOf(pattern: string): readonly Token[] | undefined {
  if (!tokens.has(pattern)) {
    if (tokens.size > 10_000) tokens.clear();
    tokens.set(pattern, tokenize([...pattern]));
  }
  return tokens.get(pattern);
}

function tokenize(characters: readonly string[]): readonly Token[] | undefined {
  const out: Token[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!;
    if (character === '*') {
      if (out.at(-1)?.kind !== 'many') out.push({ kind: 'many' });
    } else if (character === '?') out.push({ kind: 'one' });
    else if (character === '[') {
      const found = classAt(characters, at + 1);
      if (found === undefined) return undefined;
      out.push(found.token);
      at = found.end;
    } else if (character === '\\') {
      const next = characters[++at];
      if (next === undefined) return undefined;
      out.push({ kind: 'text', character: next });
    } else out.push({ kind: 'text', character });
  }
  return out;
}

/** Up to its `]`, whose index is `end`. */
function classAt(
  characters: readonly string[],
  from: number,
): { readonly token: Token; readonly end: number } | undefined {
  let at = from;
  const negated = characters[at] === '^';
  if (negated) at++;
  const ranges: [number, number][] = [];
  const take = () => {
    if (characters[at] === '\\') at++;
    return characters[at++]?.codePointAt(0);
  };
  while (at < characters.length) {
    if (characters[at] === ']' && ranges.length > 0) {
      return { token: { kind: 'class', negated, ranges }, end: at };
    }
    const first = take();
    let last = first;
    if (characters[at] === '-') {
      at++;
      last = take();
    }
    if (first === undefined || last === undefined) return undefined;
    ranges.push([first, last]);
  }
  return undefined;
}

function checkPattern(part: string, name: string, line: number): void {
  if (part !== '**' && tokensOf(part) === undefined) {
    throw invalid(name, line, `syntax error in pattern "${part}"`);
  }
}

function invalid(name: string, line: number, message: string): CaissonError {
  return new CaissonError('ERR_INVALID_OPTION', `${name}:${line}: ${message}`, {
    stage: 'build',
    path: `${name}:${line}`,
  });
}
