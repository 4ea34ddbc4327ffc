/**
 * How long it takes to move 200 MB through a stream: `child_process.spawn`, by its own sockets and by a pipe, beside
 * `run` and `exec`, in one Node.
 */
import type { Contestant, Sample } from './contestant.js';
import type { LineProcess } from './line-process.js';
import { SPAWN, SPAWN_PIPE } from './report.js';

export interface StreamPart {
  /** The stream. */
  readonly title: string;
  readonly contestants: readonly Contestant[];
}

/** @param node a Node process that has caisson's library (node-worker.ts) */
export function openStreams(node: LineProcess): StreamPart[] {
  const contestant = (name: string, what: string): Contestant => ({
    name,
    slow: true,
    run: async (count, spacing) => await node.ask<Sample>(`${what} ${count} ${spacing}`),
  });
  return ['stdout', 'stdin'].map((stream) => ({
    title: `200 MB through ${stream}`,
    contestants: [
      contestant(SPAWN, `spawn-${stream}`),
      contestant(SPAWN_PIPE, `pipe-${stream}`),
      contestant('caisson, run', `run-${stream}`),
      contestant('caisson, exec', `exec-${stream}`),
    ],
  }));
}
