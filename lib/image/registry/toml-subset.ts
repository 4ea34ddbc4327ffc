/**
 * The part of TOML that registries.conf uses: tables, lists of tables, texts in one line, booleans, whole numbers, lists
 * and tables in one value. What is outside of it is an error that names the line, and not ignored.
 */

export type TomlValue = string | boolean | number | readonly TomlValue[] | TomlTable;

export interface TomlTable {
  readonly [key: string]: TomlValue;
}

type MutableTable = Record<string, TomlValue>;

/** The message of an error has the line: `line 3: …`. */
export class TomlError extends Error {}

const MOST_CHARACTERS = 1 << 20;
/** Of lists and tables in each other. */
const DEEPEST = 16;

const KEY = /[A-Za-z0-9_-]+/y;
const BASIC = /"((?:[^"\\\n]|\\.)*)"/y;
const LITERAL = /'([^'\n]*)'/y;
const WORD = /[A-Za-z0-9_.+:-]+/y;
const ESCAPES: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', f: '\f', r: '\r', '"': '"', '\\': '\\' }; // prettier-ignore

/** @throws TomlError */
export function parseToml(text: string): TomlTable {
  return new Parser(text).parse();
}

class Parser {
  readonly #text: string;
  #at = 0;
  /** Tables that have had a header or were made by one: a second one is an error. */
  readonly #declared = new Set<object>();

  constructor(text: string) {
    if (text.length > MOST_CHARACTERS) throw new TomlError(`line 1: more than ${MOST_CHARACTERS} characters`); // prettier-ignore
    this.#text = text.replaceAll('\r\n', '\n');
  }

  parse(): TomlTable {
    const root = emptyTable();
    let table = root;
    for (;;) {
      this.#skip(true);
      if (this.#at >= this.#text.length) return root;
      if (this.#text[this.#at] === '[') table = this.#header(root);
      else this.#assignment(table);
      this.#skip(false);
      if (this.#at < this.#text.length && this.#text[this.#at] !== '\n') this.#fail('something follows the value'); // prettier-ignore
    }
  }

  #header(root: MutableTable): MutableTable {
    const isList = this.#text.startsWith('[[', this.#at);
    this.#at += isList ? 2 : 1;
    const path = this.#path();
    this.#expect(isList ? ']]' : ']');
    const last = path.pop() ?? '';
    const parent = path.reduce((table, key) => this.#descend(table, key), root);
    const existing = parent[last];
    if (isList) {
      if (existing !== undefined && !Array.isArray(existing)) this.#fail(`${last} is no list of tables`); // prettier-ignore
      const table = emptyTable();
      parent[last] = [...((existing as readonly TomlValue[] | undefined) ?? []), table];
      return table;
    }
    const table = this.#descend(parent, last);
    if (this.#declared.has(table)) this.#fail(`the table ${last} is there twice`);
    this.#declared.add(table);
    return table;
  }

  /** The table below a key; of a list of tables, the last one. */
  #descend(table: MutableTable, key: string): MutableTable {
    const value = (table[key] ??= emptyTable());
    const found: unknown = Array.isArray(value) ? value.at(-1) : value;
    if (typeof found !== 'object' || found === null || Array.isArray(found))
      this.#fail(`${key} is no table`);
    return found as MutableTable;
  }

  #assignment(table: MutableTable, depth = 0): void {
    const path = this.#path();
    this.#expect('=');
    const last = path.pop() ?? '';
    const parent = path.reduce((each, key) => this.#descend(each, key), table);
    if (parent[last] !== undefined) this.#fail(`${last} is there twice`);
    parent[last] = this.#value(depth);
  }

  #path(): string[] {
    const path: string[] = [];
    do {
      this.#skip(false);
      path.push(this.#take(KEY)?.[0] ?? this.#quoted() ?? this.#fail('a key is missing'));
      this.#skip(false);
    } while (this.#eat('.'));
    return path;
  }

  #value(depth: number): TomlValue {
    if (depth > DEEPEST) this.#fail('lists are in each other too deeply');
    this.#skip(false);
    if (/"""|'''/y.test(this.#text.slice(this.#at, this.#at + 3)))
      this.#fail('a text of several lines is not supported');
    const text = this.#quoted();
    if (text !== undefined) return text;
    if (this.#eat('[')) return this.#list(depth);
    if (this.#eat('{')) return this.#inlineTable(depth);
    const word = this.#take(WORD)?.[0] ?? '';
    if (word === 'true' || word === 'false') return word === 'true';
    if (/^[+-]?\d{1,15}$/.test(word)) return Number(word);
    return this.#fail(
      `${word === '' ? 'a value is missing' : `the value ${word} is not supported`}`,
    );
  }

  #list(depth: number): readonly TomlValue[] {
    const items: TomlValue[] = [];
    for (;;) {
      this.#skip(true);
      if (this.#eat(']')) return items;
      items.push(this.#value(depth + 1));
      this.#skip(true);
      if (this.#eat(',')) continue;
      this.#expect(']');
      return items;
    }
  }

  #inlineTable(depth: number): TomlTable {
    const table = emptyTable();
    this.#skip(false);
    if (this.#eat('}')) return table;
    do this.#assignment(table, depth + 1);
    while ((this.#skip(false), this.#eat(',')));
    this.#expect('}');
    return table;
  }

  #quoted(): string | undefined {
    const literal = this.#take(LITERAL)?.[1];
    if (literal !== undefined) return literal;
    return this.#take(BASIC)?.[1]?.replaceAll(
      /\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)/g,
      (_, escape: string) => this.#escaped(escape),
    );
  }

  #escaped(escape: string): string {
    const code = escape.length > 1 ? parseInt(escape.slice(1), 16) : NaN;
    if (code <= 0x10ffff) return String.fromCodePoint(code);
    return ESCAPES[escape] ?? this.#fail(`\\${escape} is no escape sequence`);
  }

  /** White space and comments, and ends of lines too if that is wanted. */
  #skip(lines: boolean): void {
    this.#take(lines ? /(?:[ \t\n]|#[^\n]*)*/y : /[ \t]*(?:#[^\n]*)?/y);
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text) ?? undefined;
    this.#at += match?.[0].length ?? 0;
    return match;
  }

  #eat(text: string): boolean {
    const found = this.#text.startsWith(text, this.#at);
    if (found) this.#at += text.length;
    return found;
  }

  #expect(text: string): void {
    this.#skip(false);
    if (!this.#eat(text)) this.#fail(`${text} is missing`);
  }

  #fail(why: string): never {
    throw new TomlError(`line ${this.#text.slice(0, this.#at).split('\n').length}: ${why}`);
  }
}

/** Without a prototype: a key may have any name. */
function emptyTable(): MutableTable {
  return Object.create(null) as MutableTable;
}
