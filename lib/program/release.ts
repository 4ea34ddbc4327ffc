/** The host phase gives descriptors to the container phase. */
import { slotList } from './encode.js';
import type { Step } from './instructions.js';

/**
 * Sends descriptors to the container, which waits for them at an `await`.
 *
 * @param afterSteps it is left to Node, which is told when so many steps of the container phase are over
 */
export function release(steps: Step[], slots: readonly number[], afterSteps?: number): void {
  const numbers = afterSteps === undefined ? [0] : [1, afterSteps];
  steps.push({ op: 'release', texts: [slotList(slots)], numbers });
}
