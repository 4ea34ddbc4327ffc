/**
 * Cgroups of test runs that have ended without their `after`, such as a mocha that `timeout` has killed. They are known by their
 * names, which have the pid and the start time of the process that has made them.
 */
import { existsSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startTimeOf } from '../../lib/host/owner.js';
import { processesIn } from './leftovers.js';
import { eventually, hierarchies } from './outside.js';

const PREFIX = 'caisson-test-';

let made = 0;

/** The name of a cgroup directly below the mount point of a hierarchy, which no other process gives. */
export function testCgroupName(): string {
  return `${PREFIX}${process.pid}-${startTimeOf(process.pid) ?? ''}-${made++}`;
}

/** Whether the name was given by `testCgroupName` in a process that has ended. */
export function isOfDeadRun(name: string): boolean {
  const [, pid, start] = /^caisson-test-(\d+)-(\d+)-\d+$/.exec(name) ?? [];
  return pid !== undefined && startTimeOf(Number(pid)) !== start;
}

/** Kills what runs in cgroups of dead runs, and removes those. */
export async function removeDeadRuns(): Promise<void> {
  const dead = (await hierarchies()).flatMap(({ mountPoint }) =>
    directoriesIn(mountPoint)
      .filter(isOfDeadRun)
      .map((name) => join(mountPoint, name)),
  );
  await emptyCgroups(dead);
}

/**
 * Kills what runs in these cgroups and below them, until they can be removed.
 *
 * @throws Error with what is left
 */
export function emptyCgroups(cgroups: readonly string[], patience?: number): Promise<void> {
  return eventually(async () => {
    const left: string[] = [];
    // All of them first: a process that is frozen in one of v1 is killed in none.
    for (const cgroup of cgroups) left.push(...(await killIn(cgroup)));
    for (const cgroup of cgroups) {
      const refusal = removeTree(cgroup);
      if (refusal !== undefined) left.push(refusal.message);
    }
    const there = cgroups.filter((cgroup) => existsSync(cgroup));
    if (there.length > 0)
      throw new Error(`${there.join(', ')} cannot be emptied:\n  ${left.join('\n  ')}`);
  }, patience);
}

async function killIn(cgroup: string): Promise<string[]> {
  const left: string[] = [];
  for (const path of [cgroup, ...below(cgroup)]) {
    // In a frozen cgroup of v1, nothing is killed.
    const freezer = join(path, 'freezer.state');
    if (existsSync(freezer)) writeFileSync(freezer, 'THAWED');
    for (const pid of await processesIn(path)) {
      left.push(`process ${pid} in ${path}`);
      try {
        // 0 is one of an outer pid namespace: kill(2) would take it for this process's own group.
        if (pid > 0) process.kill(pid, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    }
  }
  return left;
}

/** What keeps it from being removed. */
function removeTree(cgroup: string): Error | undefined {
  for (const path of [...below(cgroup).reverse(), cgroup])
    try {
      rmdirSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return error as Error;
    }
  return undefined;
}

/** Parents before their children. */
function below(cgroup: string): string[] {
  return directoriesIn(cgroup).flatMap((name) => {
    const path = join(cgroup, name);
    return [path, ...below(path)];
  });
}

function directoriesIn(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return []; // it has just been removed
  }
}
