/** The kernel's list format, `0-3,7`, also `0-31:2/4`: processors and memory nodes (cpuset(7), "List format"). */
import { invalid } from './check.js';

const RANGE = /^(\d{1,5})(?:-(\d{1,5})(?::(\d{1,5})\/(\d{1,5}))?)?$/;

/** Docker's grammar: without groups such as `:2/4`. */
const RANGES_ONLY = /^[\d,-]*$/;

/** The members of a list, or undefined when it is malformed. An empty list has no members. */
export function parseList(text: string): ReadonlySet<number> | undefined {
  const members = new Set<number>();
  if (text === '') return members;
  for (const part of text.split(',')) {
    const match = RANGE.exec(part);
    if (match === null) return undefined;
    const [first = 0, last = first, used = 1, group = 1] = match
      .slice(1)
      .map((number: string | undefined) => (number === undefined ? undefined : Number(number)));
    if (last < first || used > group || group === 0) return undefined;
    for (let n = first; n <= last; n++) if ((n - first) % group < used) members.add(n);
  }
  return members;
}

/** Checks that every member of `value` is one of the machine's. Returns it unchanged. */
export function checkList(option: string, value: string, available: string): string {
  const asked = typeof value === 'string' && RANGES_ONLY.test(value) ? parseList(value) : undefined;
  if (asked === undefined || asked.size === 0)
    throw invalid(option, value, 'is not a list', 'such as 0-3,7');
  const offered = parseList(available);
  for (const n of asked) {
    if (offered?.has(n) !== true)
      throw invalid(option, value, `is not available: this machine has ${available}`);
  }
  return value;
}
