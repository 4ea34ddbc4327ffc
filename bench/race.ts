/** Runs everybody in turn, round after round; whoever fails is left out from then on. */
import type { Contestant, Sample } from './contestant.js';
import type { Result } from './report.js';
import { summarize } from './statistics.js';

export interface Rounds {
  /** Back to back, of 10 starts each. */
  readonly dense: number;
  /** With 100 ms between starts, of 5 starts each. */
  readonly spaced: number;
}

export async function race(
  contestants: readonly Contestant[],
  { dense, spaced }: Rounds,
): Promise<Result[]> {
  const failed = new Set<Contestant>();
  const run = async (times: number, starts: number, spacing: number) => {
    const samples = new Map<string, Sample[]>();
    for (let round = 0; round < times; round++) {
      for (const contestant of contestants) {
        if (failed.has(contestant)) continue;
        const count = contestant.slow === true ? Math.ceil(starts / 5) : starts;
        try {
          const taken = await contestant.run(count, spacing);
          samples.set(contestant.name, [...(samples.get(contestant.name) ?? []), ...taken]);
        } catch (error) {
          failed.add(contestant);
          console.error(`left out: ${contestant.name}: ${(error as Error).message}`);
        }
      }
      if (process.stderr.isTTY) process.stderr.write(`\rround ${round + 1} of ${times} `);
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    return samples;
  };
  // To warm up: compilers, caches, the kernel's own.
  await run(1, 10, 0);
  const backToBack = await run(dense, 10, 0);
  const apart = await run(spaced, 5, 100);
  return contestants
    .filter((contestant) => !failed.has(contestant))
    .map(({ name }): Result => {
      const [one, other] = [backToBack.get(name), apart.get(name)];
      return { name, backToBack: one && summarize(one), spaced: other && summarize(other) };
    });
}
