/**
 * What a start was asked for, as it stood then: whether another is asked for in the same words is found by comparing,
 * which costs the JavaScript thread a tenth of what a text of them would.
 */

type Fields = Readonly<Record<string, unknown>>;

export class Words {
  private constructor(
    private readonly argv: readonly unknown[],
    private readonly options: Fields,
  ) {}

  /**
   * A copy; undefined of what is not plain data.
   *
   * @param options without its `signal`, which is nothing of the container's.
   */
  static of(argv: unknown, options: unknown): Words | undefined {
    if (!Array.isArray(argv) || !isRecord(options)) return undefined;
    const { signal, ...rest } = options;
    void signal;
    return isPlain(argv) && isPlain(rest)
      ? new Words(structuredClone(argv) as unknown[], structuredClone(rest))
      : undefined;
  }

  are(argv: unknown, options: unknown): boolean {
    return (
      same(argv, this.argv) && isRecord(options) && sameFields(options, this.options, 'signal')
    );
  }
}

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

/** @param then plain data. */
function same(now: unknown, then: unknown): boolean {
  if (now === then) return true;
  if (typeof then !== 'object' || then === null) return false;
  if (!Array.isArray(then)) return isRecord(now) && sameFields(now, then as Fields);
  if (!Array.isArray(now) || now.length !== then.length) return false;
  for (let at = 0; at < then.length; at++) if (!same(now[at], then[at])) return false;
  return true;
}

/** One that is there but undefined is none. */
function sameFields(now: Fields, then: Fields, except?: string): boolean {
  let there = 0;
  for (const name in now) {
    const value = now[name];
    if (value === undefined || name === except) continue;
    if (!same(value, then[name])) return false;
    there++;
  }
  for (const name in then) if (then[name] !== undefined) there--;
  return there === 0;
}
