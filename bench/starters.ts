/** The end of the line of a Node process that the bench asks: it starts what it is told to, and times that. */
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sample } from './contestant.js';

/** The interpreter whose start is timed. */
export const PYTHON = '/usr/bin/python3';

export interface Starter extends AsyncDisposable {
  /** Resolves to an exit code, which has to be 0. */
  readonly start: () => Promise<number | null>;
  /** After each start, and not timed. */
  readonly after?: () => Promise<void>;
}

async function time(starter: Starter): Promise<Sample> {
  const before = performance.eventLoopUtilization();
  const begin = performance.now();
  const pending = starter.start();
  const called = performance.now();
  const code = await pending;
  const end = performance.now();
  const busy = performance.eventLoopUtilization(before).active;
  await starter.after?.();
  if (code !== 0) throw new Error(`/true ended with ${code}`);
  return { us: (end - begin) * 1e3, jsUs: busy * 1e3, callUs: (called - begin) * 1e3 };
}

/**
 * Answers lines "WHAT COUNT SPACING_MS" on stdin until that ends.
 *
 * @param open makes the starter of WHAT, when it is asked for the first time
 */
export async function serve(open: (what: string) => Promise<Starter> | undefined): Promise<void> {
  const starters = new Map<string, Starter>();
  for await (const line of createInterface({ input: process.stdin })) {
    const [what = '', count, spacing] = line.split(' ');
    let starter = starters.get(what);
    if (starter === undefined) {
      starter = await open(what);
      if (starter === undefined) throw new Error(`what is ${what}?`);
      starters.set(what, starter);
    }
    for (let i = 0; i < Number(count); i++) {
      if (Number(spacing) > 0) await sleep(Number(spacing));
      console.log(JSON.stringify(await time(starter)));
    }
    console.log('{"done":true}');
  }
  for (const starter of starters.values()) await starter[Symbol.asyncDispose]();
}
