/**
 * The options of a start, as they stood then: whether another has the same is found by comparing, which costs the
 * JavaScript thread a tenth of what a text of them would.
 */

type Fields = Readonly<Record<string, unknown>>;

export class Words {
  private constructor(private readonly options: Fields) {}

  /** A copy, without EXCEPT; undefined of what is not plain data. */
  static of(options: unknown): Words | undefined {
    if (!isRecord(options)) return undefined;
    const { signal, env, ...rest } = options;
    void [signal, env];
    try {
      return isPlain(rest) ? new Words(structuredClone(rest)) : undefined;
    } catch {
      return undefined; // of proxies: one that looks plain cannot be copied
    }
  }

  are(options: unknown): boolean {
    return isRecord(options) && sameFields(options, this.options, EXCEPT);
  }
}

/** The signal is nothing of the container's; the environment is each start's own, as its arguments are (template.ts). */
const EXCEPT: Readonly<Record<string, true>> = Object.freeze({ signal: true, env: true });
const NOTHING: typeof EXCEPT = Object.freeze({});

/** No option has as many levels; what holds itself has no end of them. */
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

/** @param then plain data, and maps of such. */
export function same(now: unknown, then: unknown): boolean {
  if (now === then) return true;
  if (typeof then !== 'object' || then === null) return false;
  if (then instanceof Map) return now instanceof Map && same([...now], [...then]);
  if (!Array.isArray(then)) return isRecord(now) && sameFields(now, then as Fields);
  if (!Array.isArray(now) || now.length !== then.length) return false;
  for (let at = 0; at < then.length; at++) if (!same(now[at], then[at])) return false;
  return true;
}

/** One that is there but undefined is none. */
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
