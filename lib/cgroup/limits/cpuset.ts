/** Lists of CPUs and memory nodes, as cpuset(7) writes them: `0-3,7`, also `0-31:2/4`. */
import { invalidOption } from './option-errors.js';

/** More than any kernel is built for (`NR_CPUS`), so that a mistyped range cannot fill the memory. */
const highest = 65_535;

/** The numbers of a list; undefined when it is malformed. */
export function parseCpuset(list: string): Set<number> | undefined {
  const numbers = new Set<number>();
  for (const part of list.split(',')) {
    const match = /^\s*(\d+)(?:-(\d+)(?::(\d+)\/(\d+))?)?\s*$/.exec(part);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? first);
    const used = Number(match[3] ?? 1);
    const group = Number(match[4] ?? 1);
    if (last > highest || first > last || used > group || group === 0) return undefined;
    for (let n = first; n <= last; n++) {
      if ((n - first) % group < used) numbers.add(n);
    }
  }
  return numbers;
}

/** Refuses a malformed list, and one that names what the machine does not have. */
export function checkCpuset(option: string, list: string, available: string | undefined): void {
  const asked = parseCpuset(list);
  if (asked === undefined) {
    throw invalidOption(option, `${JSON.stringify(list)} is not a list such as 0-3,7`);
  }
  const offered = available === undefined ? undefined : parseCpuset(available);
  if (offered === undefined) return;
  const absent = [...asked].filter((n) => !offered.has(n));
  if (absent.length > 0) {
    throw invalidOption(
      option,
      `${list} names ${absent.slice(0, 8).join()}, which is not available here`,
      `available: ${available}`,
    );
  }
}
