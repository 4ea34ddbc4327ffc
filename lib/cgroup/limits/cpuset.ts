/** Limits to CPUs and memory nodes, checked against what the cgroup may use. */
import { parseList } from '../../base/cpu-list.js';
import { invalidOption } from './option-errors.js';

/** Refuses a malformed list, and one that names what the machine does not have. */
export function checkCpuset(option: string, list: string, available: string | undefined): void {
  const asked = parseList(withoutSpaces(list));
  if (asked === undefined || asked.size === 0) {
    throw invalidOption(option, `${JSON.stringify(list)} is not a list such as 0-3,7`);
  }
  const offered = available === undefined ? undefined : parseList(withoutSpaces(available));
  if (offered === undefined || offered.size === 0) return;
  const absent = [...asked].filter((n) => !offered.has(n));
  if (absent.length > 0) {
    throw invalidOption(
      option,
      `${list} names ${absent.slice(0, 8).join()}, which is not available here`,
      `available: ${available}`,
    );
  }
}

/** The kernel ignores white space around the parts of a list. */
function withoutSpaces(list: string): string {
  return list.replace(/\s*,\s*/g, ',').trim();
}
