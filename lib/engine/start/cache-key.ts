/**
 * The key of a template: a copy of the options of a start. Comparing the options of another start with it costs a tenth of
 * what making a text of them would.
 */

type Fields = Readonly<Record<string, unknown>>;

export class CacheKey {
  private constructor(private readonly options: Fields) {}

  /** A copy without the options of EXCEPT; undefined where the options are not plain data. */
  static of(options: unknown): CacheKey | undefined {
    if (!isRecord(options)) return undefined;
    const { signal, env, onProgress, ...rest } = options;
    void [signal, env, onProgress];
    try {
      return isPlain(rest) ? new CacheKey(structuredClone(rest)) : undefined;
    } catch {
      return undefined; // of proxies: one that looks plain cannot be copied
    }
  }

  matches(options: unknown): boolean {
    return isRecord(options) && sameFields(options, this.options, EXCEPT);
  }
}

/** The signal and the progress do not belong to the container; each start has an environment of its own, as it has arguments (template.ts). */
const EXCEPT: Readonly<Record<string, true>> = Object.freeze({
  signal: true,
  env: true,
  onProgress: true,
});
const NOTHING: typeof EXCEPT = Object.freeze({});

/** No option has as many levels; an object that contains itself has no end of them. */
const DEPTH = 8;

/** An object of no class. */
function isRecord(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function isPlain(value: unknown, depth = DEPTH): boolean {
  if (typeof value === 'object' && value !== null) {
    if (depth === 0) return false;
    if (!Array.isArray(value) && !isRecord(value)) return false;
    return Object.values(value).every((part) => isPlain(part, depth - 1));
  }
  return typeof value !== 'function' && typeof value !== 'symbol';
}

/** @param then plain data, and maps of plain data */
export function same(now: unknown, then: unknown): boolean {
  if (now === then) return true;
  if (typeof then !== 'object' || then === null) return false;
  if (then instanceof Map) return now instanceof Map && same([...now], [...then]);
  if (!Array.isArray(then)) return isRecord(now) && sameFields(now, then as Fields);
  if (!Array.isArray(now) || now.length !== then.length) return false;
  for (let at = 0; at < then.length; at++) if (!same(now[at], then[at])) return false;
  return true;
}

/** A field that is undefined counts as missing. */
function sameFields(now: Fields, then: Fields, except = NOTHING): boolean {
  let there = 0;
  for (const name in now) {
    const value = now[name];
    if (value === undefined || except[name] === true) continue;
    if (!same(value, then[name])) return false;
    there++;
  }
  for (const name in then) if (then[name] !== undefined) there--;
  return there === 0;
}
