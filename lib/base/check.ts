/** Errors of options: one wording and one error class, before anything is changed. */
import { CaissonError } from './errors.js';

/** A value as it appears in an error text: quoted, and at most one line long. */
export function show(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // Circular, or with a bigint in it.
  }
  text ??= tagOf(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

function tagOf(value: unknown): string {
  try {
    return Object.prototype.toString.call(value);
  } catch {
    return 'an object that cannot be read';
  }
}

/** `memory: "1x" is not a size`. The error's `path` is the option's name in the library's spelling. */
export function invalid(option: string, value: unknown, why: string, hint?: string): CaissonError {
  return new CaissonError('ERR_INVALID_OPTION', `${option}: ${show(value)} ${why}`, {
    stage: 'config',
    path: option,
    hint,
  });
}

export function unsupported(
  option: string,
  value: unknown,
  why: string,
  hint?: string,
): CaissonError {
  return new CaissonError('ERR_UNSUPPORTED_OPTION', `${option}: ${show(value)} ${why}`, {
    stage: 'config',
    path: option,
    hint,
  });
}

export function conflicting(option: string, why: string, hint?: string): CaissonError {
  return new CaissonError('ERR_CONFLICTING_OPTIONS', `${option}: ${why}`, {
    stage: 'config',
    path: option,
    hint,
  });
}

/** A whole number from `min` to `max`, given as a number or in decimal digits. */
export function wholeNumber(option: string, value: unknown, min: number, max: number): number {
  const n = typeof value === 'string' && /^[+-]?\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof n !== 'number' || !Number.isSafeInteger(n))
    throw invalid(option, value, 'is not a whole number');
  if (n < min || n > max) throw invalid(option, value, `is out of range: ${min} to ${max}`);
  return n;
}

/** A string that the kernel can take: NUL would end it early. */
export function plainString(option: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(option, value, 'is not a string');
  if (value.includes('\0')) throw invalid(option, value, 'contains a NUL byte');
  return value;
}

/** The object with a method's options. */
export function checkOptions<T extends object>(options: T, name = 'options'): T {
  if (!isRecord(options)) throw invalid(name, options, 'is not an object');
  return options;
}

/** An object with its content in fields. A Map or a Promise (a forgotten await) has none, and would count as empty. */
export function isRecord(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const tag = Object.prototype.toString.call(value);
  return tag === '[object Object]' || tag === '[object Module]';
}

export function isRecordOrList(value: unknown): value is object {
  return Array.isArray(value) || isRecord(value);
}

export function boolean(option: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw invalid(option, value, 'is not true or false');
  return value;
}

/** A list of strings, as for most of Docker's repeatable flags. */
export function stringList(option: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw invalid(option, value, 'is not an array of strings');
  for (const item of value) plainString(option, item);
  return value as readonly string[];
}
