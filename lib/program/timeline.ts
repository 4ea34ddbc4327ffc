/** The start as a waterfall, from the timestamps of the native machine. */
import { describe } from './describe.js';
import type { Program, Step } from './instructions.js';

/** One step of a start. */
export interface TimelineStep {
  /** Which process has done it. */
  readonly phase: 'host' | 'container';
  /** The instruction, such as `mount.fs`: docs/launch-program.md. */
  readonly op: string;
  /** The same in words, with its operands. */
  readonly description: string;
  /** Microseconds since the launch program began. */
  readonly start: number;
  /** Microseconds that it took. */
  readonly duration: number;
}

/** How a start went: `RunResult.timeline`, `Attached.timeline`. */
export interface Timeline {
  /** In the order of the launch program; those that were not reached are missing. */
  readonly steps: readonly TimelineStep[];
  /** Microseconds from the first step to the last. */
  readonly total: number;
}

/**
 * @param timestamps nanoseconds: the host phase's start and the end of each of its steps, then the same of the
 *   container's phase. 0: not reached.
 */
export function makeTimeline(program: Program, timestamps: Float64Array): Timeline {
  const origin = timestamps[0] ?? 0;
  const steps: TimelineStep[] = [];
  const add = (phase: 'host' | 'container', list: readonly Step[], first: number) => {
    let start = timestamps[first] ?? 0;
    list.forEach((step, index) => {
      const end = timestamps[first + 1 + index] ?? 0;
      if (end === 0) return;
      steps.push({
        phase,
        op: step.op,
        description: describe(step),
        start: (start - origin) / 1000,
        duration: (end - start) / 1000,
      });
      start = end;
    });
  };
  add('host', program.host, 0);
  add('container', program.container, program.host.length + 1);
  const total = steps.reduce((latest, step) => Math.max(latest, step.start + step.duration), 0);
  return { steps, total };
}

const BAR = 40;

/**
 * As text: one line for each step, with microseconds and a bar for its share of the start.
 *
 * @example
 * import { drawTimeline } from 'caisson';
 *
 * const { timeline } = await engine.run('host', ['true']);
 * console.log(drawTimeline(timeline));
 */
export function drawTimeline({ steps, total }: Timeline): string {
  const scale = total === 0 ? 0 : BAR / total;
  const lines = steps.map(({ phase, op, description, start, duration }) => {
    // The container phase writes its own timestamps: one may be before the start.
    const from = Math.max(0, Math.min(BAR - 1, Math.floor(start * scale)));
    const width = Math.max(1, Math.min(BAR - from, Math.round(duration * scale)));
    const bar = `${' '.repeat(from)}${(phase === 'host' ? '▒' : '█').repeat(width)}`.padEnd(BAR);
    return `${start.toFixed(0).padStart(7)} ${duration.toFixed(0).padStart(6)} ${bar} ${op.padEnd(15)} ${description}`;
  });
  return (
    `  start   took  (microseconds; ▒ host, █ container)\n${lines.join('\n')}\n` +
    `${total.toFixed(0).padStart(7)} in all\n`
  );
}
