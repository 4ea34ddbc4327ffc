/** Jobs of pools beside starts, and beside the floor: a program that ends at once, and interpreters until their first line. */
import { existsSync } from 'node:fs';
import type { Contestant, Sample } from './contestant.js';
import type { DetachedPart } from './detached.js';
import type { LineProcess } from './line-process.js';
import { COLD, COLD_PYTHON, PARKED, POOLS, WARM_PYTHON } from './report.js';
import { PYTHON } from './starters.js';

export function openPools(node: LineProcess, floor: readonly Contestant[]): DetachedPart {
  const contestant = (name: string, what: string): Contestant => ({
    name,
    run: async (count, spacing) => await node.ask<Sample>(`${what} ${count} ${spacing}`),
  });
  const python = [contestant(COLD_PYTHON, 'python-cold'), contestant(WARM_PYTHON, 'python-warm')];
  if (!existsSync(PYTHON)) console.error(`left out: ${PYTHON}, which is not installed`);
  return {
    part: 'pools',
    title: POOLS,
    contestants: [
      ...floor,
      contestant(COLD, 'caisson'),
      contestant(PARKED, 'pool-parked'),
      ...(existsSync(PYTHON) ? python : []),
    ],
  };
}
