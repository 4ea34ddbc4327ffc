/**
 * Variables, quotes and escapes in the arguments of an instruction.
 * docs.docker.com/reference/dockerfile, "Environment replacement"
 */
import { dockerfileError, unsupportedInDockerfile } from './dockerfile-error.js';

/** Undefined: there is no such variable. */
export type Variables = (name: string) => string | undefined;

export interface ExpandOptions {
  readonly variables: Variables;
  readonly escape: string;
  /** For errors. */
  readonly line: number;
  /** Quotes and escapes are kept; variables are expanded in double quotes and outside of quotes. Default: false. */
  readonly raw?: boolean;
}

/** How deep values may have variables in them: `${a:-${b:-…}}`. */
const DEEPEST = 32;

/** One word. @throws ERR_INVALID_DOCKERFILE */
export function expand(word: string, options: ExpandOptions): string {
  return new Expansion(word, options, 0).all();
}

class Expansion {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly options: ExpandOptions,
    private readonly depth: number,
  ) {
    if (depth > DEEPEST) throw this.error('variables are nested too deeply');
  }

  all(): string {
    return this.until('');
  }

  /** Up to the character, which is taken, or with '' to the end. */
  private until(end: string): string {
    const raw = this.options.raw === true;
    let out = '';
    while (this.at < this.text.length) {
      const character = this.text[this.at]!;
      if (character === end) {
        this.at++;
        return out;
      }
      if (character === "'") out += this.singleQuoted(raw);
      else if (character === '"') out += this.doubleQuoted(raw);
      else if (character === '$') out += this.variable();
      else if (character === this.options.escape) out += this.escaped(raw);
      else {
        out += character;
        this.at++;
      }
    }
    if (end !== '') throw this.error('syntax error: missing }');
    return out;
  }

  private escaped(raw: boolean): string {
    const { escape } = this.options;
    const next = this.text[this.at + 1];
    // At the end it stands for itself.
    this.at += next === undefined ? 1 : 2;
    return next === undefined ? escape : raw ? escape + next : next;
  }

  private singleQuoted(raw: boolean): string {
    const end = this.text.indexOf("'", this.at + 1);
    if (end < 0) throw this.error('unexpected end of statement while looking for matching single-quote');
    const inside = this.text.slice(this.at + 1, end);
    this.at = end + 1;
    return raw ? `'${inside}'` : inside;
  }

  private doubleQuoted(raw: boolean): string {
    const { escape } = this.options;
    let out = raw ? '"' : '';
    for (this.at++; this.at < this.text.length; ) {
      const character = this.text[this.at]!;
      if (character === '"') {
        this.at++;
        return raw ? `${out}"` : out;
      }
      if (character === '$') out += this.variable();
      else if (character === escape) {
        const next = this.text[this.at + 1];
        if (next === undefined) break;
        // In double quotes it escapes only what would have a meaning.
        out += !raw && (next === '"' || next === '$' || next === escape) ? next : escape + next;
        this.at += 2;
      } else {
        out += character;
        this.at++;
      }
    }
    throw this.error('unexpected end of statement while looking for matching double-quote');
  }

  private variable(): string {
    this.at++;
    if (this.text[this.at] === '{') return this.braced();
    const name = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#])/.exec(this.text.slice(this.at))?.[0];
    if (name === undefined) return '$';
    this.at += name.length;
    return this.options.variables(name) ?? '';
  }

  private braced(): string {
    this.at++;
    const name = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#])/.exec(this.text.slice(this.at))?.[0];
    if (name === undefined) throw this.error('syntax error: bad substitution');
    this.at += name.length;
    const value = this.options.variables(name);
    if (this.text[this.at] === '}') {
      this.at++;
      return value ?? '';
    }
    const operator = /^:?[-+?]/.exec(this.text.slice(this.at))?.[0];
    if (operator === undefined) throw this.wrongOperator(name);
    this.at += operator.length;
    const word = this.word('}');
    const missing = value === undefined || (operator.startsWith(':') && value === '');
    switch (operator.at(-1)) {
      case '-':
        return missing ? word : value;
      case '+':
        return missing ? '' : word;
      default:
        if (missing) throw this.error(`${name}: ${word === '' ? 'not set' : word}`);
        return value;
    }
  }

  private wrongOperator(name: string) {
    const operator = /^(?:##?|%%?|\/\/?)/.exec(this.text.slice(this.at))?.[0];
    return operator === undefined
      ? this.error(`unsupported modifier in the substitution of ${name}`)
      : unsupportedInDockerfile(this.options.line, `the pattern \${${name}${operator}…}`);
  }

  private word(end: string): string {
    const inner = new Expansion(this.text, { ...this.options, raw: false }, this.depth + 1);
    inner.at = this.at;
    const word = inner.until(end);
    this.at = inner.at;
    return word;
  }

  private error(message: string) {
    return dockerfileError(this.options.line, message);
  }
}
