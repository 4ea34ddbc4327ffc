/** The host phase gives descriptors to the container phase. */
import { slotList } from './encode.js';
import type { Step } from './instructions.js';

/** Sends descriptors to the container, which waits for them at an `await`. */
export function release(steps: Step[], slots: readonly number[], waits = false): void {
  steps.push({ op: 'release', texts: [slotList(slots)], numbers: [waits ? 1 : 0] });
}
