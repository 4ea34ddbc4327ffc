/** How root gives a user ranges of ids: subuid(5), usermod(8). */
import { readFile } from 'node:fs/promises';

export const SUBORDINATE_FILES = ['/etc/subuid', '/etc/subgid'] as const;

export type SubordinateFile = (typeof SUBORDINATE_FILES)[number];

/** SUB_UID_MIN of login.defs(5): where useradd(8) begins. */
const FIRST = 100_000;

/** As many as useradd(8) gives. */
const RANGE = 65_536;

const AFTER_LAST = 2 ** 32 - 1;

/** newuidmap(1) and newgidmap(1) need privileges, which a process may have given up for itself and its children. */
export const BOUND = {
  reason: 'this process was started with no-new-privileges, under which newuidmap has none',
  remedy:
    'without it: NoNewPrivileges=no of a systemd unit, or an outer container without --security-opt no-new-privileges',
} as const;

/** The first id above all ranges: two users with a common range would be root in each other's containers. */
export async function firstFreeId(): Promise<number> {
  const texts = await Promise.all(
    SUBORDINATE_FILES.map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  const ends = [...texts.join('\n').matchAll(/^[^:]+:(\d+):(\d+)$/gm)].map(
    ([, first, count]) => Number(first) + Number(count),
  );
  return ends.reduce((free, end) => (end + RANGE < AFTER_LAST ? Math.max(free, end) : free), FIRST);
}

/** @param first as `firstFreeId` has it. */
export function grantRanges(
  user: string | number,
  files: readonly SubordinateFile[],
  first: number,
): string {
  const options = files.map((file) => `--add-${file.slice(5)}s ${first}-${first + RANGE - 1}`);
  return `as root: usermod ${options.join(' ')} ${user}`;
}
