/** What a template can call: Go's own functions, and those that Docker adds (docker/cli templates/templates.go). */
import { isStringMap, structType } from '../../docker/go-values.js';
import { sprintf } from './printf.js';
import { format, has, isObject, sortedKeys, truth, typeName } from './values.js';

/** Becomes a TemplateError where the place is known. */
export class FunctionFailure extends Error {}

export interface TemplateFunction {
  readonly min: number;
  readonly max: number;
  readonly call: (args: readonly unknown[]) => unknown;
}

function fail(message: string): never {
  throw new FunctionFailure(message);
}

function text(value: unknown): string {
  return typeof value === 'string'
    ? value
    : fail(`wrong type for value; expected string; got ${typeName(value)}`);
}

function whole(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value)
    ? value
    : fail(`wrong type for value; expected int; got ${typeName(value)}`);
}

function list(value: unknown): readonly unknown[] {
  if (value === null || value === undefined) return [];
  return Array.isArray(value)
    ? (value as readonly unknown[])
    : fail(`wrong type for value; expected []string; got ${typeName(value)}`);
}

/** Stands before the digits of a bigint until the text is whole; no text of a container can begin with it. */
const INTEGER = '\u0000integer ';
const INTEGERS = /"\\u0000integer (-?\d+)"/g;

/** Without escapes of HTML; keys sorted where Go's are. */
function json(value: unknown): string {
  try {
    const text = JSON.stringify(value, (_key, item: unknown) => {
      if (typeof item === 'bigint') return `${INTEGER}${item}`;
      return isObject(item) && structType(item) === undefined
        ? Object.fromEntries(sortedKeys(item).map((key) => [key, item[key]]))
        : item;
    });
    return text?.replace(INTEGERS, '$1') ?? 'null';
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

function length(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isObject(value) && structType(value) === undefined) return Object.keys(value).length;
  return fail(
    value === null || value === undefined ? 'len of nil pointer' : `len of type ${typeName(value)}`,
  );
}

function index([of, ...keys]: readonly unknown[]): unknown {
  let value = of;
  if (value === null || value === undefined) fail('index of untyped nil');
  for (const key of keys) {
    if (Array.isArray(value) || typeof value === 'string') {
      const at =
        typeof key === 'number' ? key : fail(`cannot index slice/array with type ${typeName(key)}`);
      const bytes = typeof value === 'string' ? Buffer.from(value) : (value as readonly unknown[]);
      if (!(at >= 0 && at < bytes.length && Number.isInteger(at)))
        fail(`index out of range: ${String(at)}`);
      value = bytes[at];
    } else if (isObject(value) && structType(value) === undefined) {
      if (typeof key !== 'string') fail(`value has type ${typeName(key)}; should be string`);
      const name = String(key);
      value = has(value, name) ? value[name] : isStringMap(value) ? '' : undefined;
    } else
      fail(
        value === null || value === undefined
          ? 'index of nil pointer'
          : `can't index item of type ${typeName(value)}`,
      );
  }
  return value;
}

function slice([of, ...bounds]: readonly unknown[]): unknown {
  const value = typeof of === 'string' ? Buffer.from(of) : of;
  if (!Buffer.isBuffer(value) && !Array.isArray(value))
    fail(
      value === null || value === undefined
        ? 'slice of untyped nil'
        : `can't slice item of type ${typeName(of)}`,
    );
  const items = value as Buffer | readonly unknown[];
  if (Buffer.isBuffer(items) && bounds.length > 2) fail('cannot 3-index slice a string');
  const numbers = bounds.map(whole);
  for (const bound of numbers)
    if (bound < 0 || bound > items.length) fail(`index out of range: ${bound}`);
  const [from = 0, to = items.length, cap = items.length] = numbers;
  if (from > to) fail(`invalid slice index: ${from} > ${to}`);
  if (to > cap) fail(`invalid slice index: ${to} > ${cap}`);
  return Buffer.isBuffer(items) ? items.toString('utf8', from, to) : items.slice(from, to);
}

type Basic = string | number | boolean | null;

function basic(value: unknown): Basic {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value;
  return fail(`non-comparable type ${typeName(value)}`);
}

function equal(a: unknown, b: unknown): boolean {
  const left = basic(a);
  const right = basic(b);
  if (left === null || right === null) return left === right;
  if (typeof left !== typeof right) fail('incompatible types for comparison');
  return left === right;
}

function less(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a < b;
  if (typeof a === 'string' && typeof b === 'string')
    return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
  if (!['number', 'string'].includes(typeof a) || !['number', 'string'].includes(typeof b))
    fail('invalid type for comparison');
  return fail('incompatible types for comparison');
}

function or(value: unknown): string {
  return value === undefined || value === null ? '<nil>' : format(value);
}

/** fmt.Sprint: a space between two of which neither is a string. */
function print(args: readonly unknown[]): string {
  return args
    .map((value, at) =>
      at > 0 && typeof value !== 'string' && typeof args[at - 1] !== 'string'
        ? ` ${or(value)}`
        : or(value),
    )
    .join('');
}

/** Docker's: nothing around nothing. */
function padWith(value: string, before: number, after: number): string {
  if (value === '') return value;
  const spaces = (count: number): string =>
    count < 0 || count > 1_000_000 ? fail(`cannot pad with ${count} spaces`) : ' '.repeat(count);
  return `${spaces(before)}${value}${spaces(after)}`;
}

function truncate(value: string, width: number): string {
  if (width < 0) fail(`cannot truncate to ${width}`);
  const characters = [...value];
  return characters.length <= width ? value : characters.slice(0, width).join('');
}

function title(value: string): string {
  return value.replace(
    /(^|[^\p{L}\p{Nd}_])(\p{L})/gu,
    (_all, before: string, letter: string) => before + letter.toUpperCase(),
  );
}

const HTML: Readonly<Record<string, string | undefined>> = {
  '\0': '\uFFFD',
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
};

function escapeHtml(value: string): string {
  return value.replace(/[\0"'&<>]/g, (letter) => HTML[letter] ?? letter);
}

const same = (args: readonly unknown[]): unknown => args[0];

/** `and` and `or` are the evaluator's: they do not look at all of their arguments. */
export const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map(
  Object.entries<readonly [min: number, max: number, call: (args: readonly unknown[]) => unknown]>({
    and: [1, Infinity, same],
    or: [1, Infinity, same],
    not: [1, 1, ([value]) => !truth(value)],
    len: [1, 1, ([value]) => length(value)],
    index: [1, Infinity, index],
    slice: [1, 4, slice],
    print: [0, Infinity, print],
    println: [0, Infinity, (args) => `${args.map(or).join(' ')}\n`],
    printf: [1, Infinity, ([pattern, ...args]) => sprintf(text(pattern), args)],
    eq: [2, Infinity, ([first, ...rest]) => rest.some((value) => equal(first, value))],
    ne: [2, 2, ([a, b]) => !equal(a, b)],
    lt: [2, 2, ([a, b]) => less(a, b)],
    le: [2, 2, ([a, b]) => less(a, b) || equal(a, b)],
    gt: [2, 2, ([a, b]) => less(b, a)],
    ge: [2, 2, ([a, b]) => less(b, a) || equal(a, b)],
    json: [1, 1, ([value]) => json(value)],
    split: [2, 2, ([value, separator]) => text(value).split(text(separator))],
    join: [2, 2, ([value, separator]) => list(value).map(or).join(text(separator))],
    title: [1, 1, ([value]) => title(text(value))],
    html: [0, Infinity, (args) => escapeHtml(print(args))],
    urlquery: [0, Infinity, (args) => new URLSearchParams([['', print(args)]]).toString().slice(1)],
    lower: [1, 1, ([value]) => text(value).toLowerCase()],
    upper: [1, 1, ([value]) => text(value).toUpperCase()],
    pad: [3, 3, ([value, before, after]) => padWith(text(value), whole(before), whole(after))],
    truncate: [2, 2, ([value, width]) => truncate(text(value), whole(width))],
  }).map(([name, [min, max, call]]) => [name, { min, max, call }]),
);

/** In the headings of a table these leave alone what they are given (docker/cli HeaderFunctions). */
export const HEADING_FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map([
  ...FUNCTIONS,
  ...['json', 'split', 'join', 'title', 'lower', 'upper', 'truncate'].map(
    (name) => [name, { min: 1, max: 2, call: same }] as const,
  ),
]);
