/** JavaScript's values as a Go template sees them: maps, slices, structs, nil. */
import { structType } from '../../docker/go-values.js';

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A key of its own: `{{.constructor}}` is nothing. */
export function has(value: object, key: string): boolean {
  return Object.hasOwn(value, key);
}

/** As Go ranges over a map. */
export function sortedKeys(value: object): readonly string[] {
  const keys = Object.keys(value);
  return structType(value) === undefined ? keys.sort() : keys;
}

export function typeName(value: unknown): string {
  if (value === undefined || value === null) return '<nil>';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float64';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'int64';
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'object') return structType(value) ?? 'map[string]interface {}';
  return typeof value === 'function' ? 'func' : typeof value;
}

export function truth(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isObject(value)) return structType(value) !== undefined || Object.keys(value).length > 0;
  return Boolean(value);
}

/** Deep enough for everything; a circle ends there. */
const MAX_DEPTH = 50;

/** fmt's `%v`. At the top, nothing is `<no value>`, as templates print it. */
export function format(value: unknown, depth = 0): string {
  if (value === undefined || value === null) return depth === 0 ? '<no value>' : '<nil>';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return formatNumber(value);
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value !== 'object') return typeName(value);
  if (depth > MAX_DEPTH) return '…';
  if (Array.isArray(value)) return `[${value.map((item) => format(item, depth + 1)).join(' ')}]`;
  const fields = value as Readonly<Record<string, unknown>>;
  if (structType(value) !== undefined) {
    const texts = Object.keys(fields)
      .filter((key) => typeof fields[key] !== 'function')
      .map((key) => format(fields[key], depth + 1));
    return `{${texts.join(' ')}}`;
  }
  return `map[${sortedKeys(fields)
    .map((key) => `${key}:${format(fields[key], depth + 1)}`)
    .join(' ')}]`;
}

function formatNumber(value: number): string {
  return Number.isInteger(value) ? String(value) : formatFloat(value);
}

/** fmt's `%g`: with an exponent when it is below -4 or not below the precision; six for the shortest form. */
export function formatFloat(value: number, precision?: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value < 0 ? '-Inf' : '+Inf';
  const digits = precision === undefined ? undefined : Math.min(Math.max(precision, 1), 100);
  const [mantissa = '', exponentText] = value
    .toExponential(digits === undefined ? undefined : digits - 1)
    .split('e');
  const exponent = Number(exponentText);
  const short = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  const count = short.replace(/[-.]/g, '').length;
  const limit = digits === undefined ? 6 : digits > count && count > exponent ? count : digits;
  if (exponent < -4 || exponent >= limit)
    return `${short}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  return value.toFixed(Math.min(Math.max(count - exponent - 1, 0), 100));
}
