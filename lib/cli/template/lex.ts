/** The words inside `{{` and `}}`, and the texts between them (Go's text/template/parse/lex.go). */
import { TemplateError } from './error.js';

export type TokenKind =
  /** `.Name` or `.` */
  | 'field'
  /** `$name` or `$` */
  | 'variable'
  | 'identifier'
  | 'string'
  | 'number'
  | 'space'
  /** `|` `(` `)` `,` `=` `:=` */
  | 'symbol';

export interface Token {
  readonly kind: TokenKind;
  /** Of a string: its value. */
  readonly text: string;
  readonly position: number;
}

/** A piece of the template: text as it is, or an action. */
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly tokens: readonly Token[]; readonly position: number };

const SPACE = /[ \t\r\n]/;

export function lex(source: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trimNext = false;
  for (;;) {
    const open = source.indexOf('{{', at);
    const end = open < 0 ? source.length : open;
    let text = source.slice(at, end);
    if (trimNext) text = text.replace(/^[ \t\r\n]+/, '');
    const trimBefore = open >= 0 && source[open + 2] === '-' && SPACE.test(source[open + 3] ?? '');
    if (trimBefore) text = trimEnd(text);
    if (text !== '') pieces.push({ kind: 'text', text });
    if (open < 0) return pieces;
    const inside = open + (trimBefore ? 4 : 2);
    const action = source.startsWith('/*', inside)
      ? comment(source, inside, open)
      : new ActionLexer(source, inside, open).run();
    if (action.tokens !== undefined)
      pieces.push({ kind: 'action', tokens: action.tokens, position: open });
    at = action.end;
    trimNext = action.trim;
  }
}

/** A regular expression for this is quadratic. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && SPACE.test(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

interface Lexed {
  readonly tokens?: readonly Token[];
  readonly end: number;
  readonly trim: boolean;
}

function comment(source: string, at: number, open: number): Lexed {
  const close = source.indexOf('*/', at + 2);
  if (close < 0) throw new TemplateError('parse', 'unclosed comment', source, open);
  const after = close + 2;
  if (source.startsWith('}}', after)) return { end: after + 2, trim: false };
  if (SPACE.test(source[after] ?? '') && source.startsWith('-}}', after + 1))
    return { end: after + 4, trim: true };
  throw new TemplateError('parse', 'comment ends before closing delimiter', source, open);
}

const IDENTIFIER = /[\p{L}_][\p{L}\p{Nd}_]*/uy;
const NUMBER =
  /[+-]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*)?\.?\d[\d_]*\.?(?:[eE][+-]?\d+)?)/y;
const ESCAPES: Readonly<Record<string, string | undefined>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

class ActionLexer {
  readonly #source: string;
  readonly #open: number;
  #at: number;
  readonly #tokens: Token[] = [];

  constructor(source: string, at: number, open: number) {
    this.#source = source;
    this.#at = at;
    this.#open = open;
  }

  run(): Lexed {
    for (;;) {
      const source = this.#source;
      const at = this.#at;
      if (source.startsWith('}}', at)) return { tokens: this.#tokens, end: at + 2, trim: false };
      const letter = source[at];
      if (letter === undefined)
        throw new TemplateError('parse', 'unclosed action', source, this.#open);
      if (SPACE.test(letter)) {
        if (source.startsWith('-}}', at + 1))
          return { tokens: this.#tokens, end: at + 4, trim: true };
        while (SPACE.test(source[this.#at] ?? '')) this.#at++;
        // More than one at the end: the last one belongs to the trim marker.
        if (source.startsWith('-}}', this.#at)) {
          return { tokens: this.#tokens, end: this.#at + 3, trim: true };
        }
        this.#tokens.push({ kind: 'space', text: ' ', position: at });
      } else this.#word(letter, at);
    }
  }

  #push(kind: TokenKind, text: string, end: number): void {
    this.#tokens.push({ kind, text, position: this.#at });
    this.#at = end;
  }

  #word(letter: string, at: number): void {
    const source = this.#source;
    if (letter === '"') this.#quoted(at);
    else if (letter === '`') {
      const end = source.indexOf('`', at + 1);
      if (end < 0) throw this.#error('unterminated raw quoted string', at);
      this.#push('string', source.slice(at + 1, end), end + 1);
    } else if (letter === "'") this.#character(at);
    else if (source.startsWith(':=', at)) this.#push('symbol', ':=', at + 2);
    else if ('|(),='.includes(letter)) this.#push('symbol', letter, at + 1);
    else if (letter === '$') {
      const name = match(IDENTIFIER, source, at + 1);
      this.#push('variable', `$${name}`, at + 1 + name.length);
    } else if (letter === '.' && !/\d/.test(source[at + 1] ?? '')) {
      const name = match(IDENTIFIER, source, at + 1);
      this.#push('field', `.${name}`, at + 1 + name.length);
    } else if (/[\d.+-]/.test(letter)) {
      const text = match(NUMBER, source, at);
      if (text === '' || /[\p{L}\p{Nd}_.]/u.test(source[at + text.length] ?? ''))
        throw this.#error(`bad number syntax: "${source.slice(at, at + text.length + 1)}"`, at);
      if (!Number.isFinite(toNumber(text))) throw this.#error(`bad number syntax: "${text}"`, at);
      this.#push('number', text, at + text.length);
    } else {
      const name = match(IDENTIFIER, source, at);
      if (name === '') {
        const character = String.fromCodePoint(source.codePointAt(at) ?? 0);
        throw this.#error(`unexpected ${JSON.stringify(character)} in command`, at);
      }
      if (/[^\s.,|:)(}=]/.test(source[at + name.length] ?? ' '))
        throw this.#error(`bad character ${JSON.stringify(source[at + name.length])}`, at);
      this.#push('identifier', name, at + name.length);
    }
  }

  /** Go's interpreted string. */
  #quoted(at: number): void {
    let value = '';
    for (let next = at + 1; ;) {
      const letter = this.#source[next];
      if (letter === undefined || letter === '\n')
        throw this.#error('unterminated quoted string', at);
      if (letter === '"') {
        this.#push('string', value, next + 1);
        return;
      }
      const { text, end } = this.#piece(next, at);
      value += text;
      next = end;
    }
  }

  /** A character constant is a number: its code point. */
  #character(at: number): void {
    const letter = this.#source[at + 1];
    if (letter === undefined || letter === "'" || letter === '\n')
      throw this.#error('unterminated character constant', at);
    const { text, end } = this.#piece(at + 1, at);
    if (this.#source[end] !== "'") throw this.#error('unterminated character constant', at);
    this.#push('number', String(text.codePointAt(0) ?? 0), end + 1);
  }

  /** One character or escape sequence. */
  #piece(at: number, start: number): { readonly text: string; readonly end: number } {
    const source = this.#source;
    if (source[at] !== '\\') {
      const text = String.fromCodePoint(source.codePointAt(at) ?? 0);
      return { text, end: at + text.length };
    }
    const letter = source[at + 1] ?? '';
    const simple = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
    if (simple !== undefined) return { text: simple, end: at + 2 };
    const coded = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))/.exec(
      source.slice(at + 1, at + 10),
    );
    const hex = coded?.[1] ?? coded?.[2] ?? coded?.[3];
    const code = hex === undefined ? parseInt(coded?.[4] ?? '', 8) : parseInt(hex, 16);
    if (coded === null || !(code <= 0x10ffff)) throw this.#error('invalid syntax in string', start);
    return { text: String.fromCodePoint(code), end: at + 1 + coded[0].length };
  }

  #error(message: string, position: number): TemplateError {
    return new TemplateError('parse', message, this.#source, position);
  }
}

function match(pattern: RegExp, source: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? '';
}

export function toNumber(text: string): number {
  const negative = text.startsWith('-');
  const digits = text.replace(/^[+-]/, '').replace(/_/g, '');
  // Go's octal numbers, with and without the letter.
  const octal = /^0(\d+)$/.exec(digits)?.[1];
  const value =
    octal === undefined ? Number(digits) : /^[0-7]+$/.test(octal) ? parseInt(octal, 8) : NaN;
  return negative ? -value : value;
}
