/** The container's interfaces on bridges: a pair of connected interfaces for each, one end of it in the container. */
import type { Step } from '../instructions.js';
import type { LaunchInput } from '../launch-input.js';
import { requestStep } from '../netlink-step.js';
import type { Slots } from '../slots.js';

/** Before the first `release`, after which the container configures them. */
export function makeInterfaces(steps: Step[], { bridges }: LaunchInput, slots: Slots): void {
  if (bridges === undefined) return;
  const network = slots.take();
  steps.push(
    { op: 'ns.open', slots: [network], texts: ['net'] },
    requestStep(bridges.outside, network),
  );
}
