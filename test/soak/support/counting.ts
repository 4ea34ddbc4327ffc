/** A program that numbers its runs and its lines, and what its log must be. */
import type { LogEntry } from '../../../lib/engine/logs/log-reader.js';

const BURST = 40;
const BURSTS = 12;
export const LINES_OF_A_RUN = BURST * BURSTS;

/** Each run ends after so many lines, with 1. */
export const COUNTING = `
  run=$(cat /runs 2>/dev/null || echo 0); echo $((run + 1)) >/runs; line=0
  while [ $line -lt ${LINES_OF_A_RUN} ]; do
    echo "run $run line $line of ${LINES_OF_A_RUN}"; line=$((line + 1))
    [ $((line % ${BURST})) -ne 0 ] || sleep 0.25
  done
  exit 1`;

export interface Counted {
  readonly runs: number;
  readonly lines: number;
}

/** @throws when a line is missing, twice there, or out of order: only the last run may be unfinished. */
export async function count(log: AsyncIterable<LogEntry>): Promise<Counted> {
  let run = 0;
  let line = 0;
  let lines = 0;
  for await (const { bytes, partial } of log) {
    const text = bytes.toString();
    if (line === LINES_OF_A_RUN) {
      run++;
      line = 0;
    }
    const wanted = `run ${run} line ${line} of ${LINES_OF_A_RUN}\n`;
    if (text !== wanted || partial)
      throw new Error(
        `the log has ${JSON.stringify(text)} where ${JSON.stringify(wanted)} belongs`,
      );
    line++;
    lines++;
  }
  return { runs: run + 1, lines };
}
