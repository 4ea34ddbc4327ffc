/** Medians and percentiles: machines are noisy, and means are not to be trusted. */
import type { Sample } from './contestant.js';

export interface Summary {
  readonly count: number;
  readonly p50Us: number;
  readonly p95Us: number;
  readonly minUs: number;
  readonly jsP50Us?: number | undefined;
  readonly jsP95Us?: number | undefined;
  readonly callP50Us?: number | undefined;
}

export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

export function summarize(samples: readonly Sample[]): Summary {
  const of = (pick: (sample: Sample) => number | undefined): number[] =>
    samples.map(pick).filter((value) => value !== undefined);
  const all = of((sample) => sample.us);
  const js = of((sample) => sample.jsUs);
  const call = of((sample) => sample.callUs);
  return {
    count: all.length,
    p50Us: percentile(all, 0.5),
    p95Us: percentile(all, 0.95),
    minUs: percentile(all, 0),
    jsP50Us: js.length === 0 ? undefined : percentile(js, 0.5),
    jsP95Us: js.length === 0 ? undefined : percentile(js, 0.95),
    callP50Us: call.length === 0 ? undefined : percentile(call, 0.5),
  };
}
