/** The container's interfaces on bridges: a pair of connected interfaces for each, one end of it in the container. */
import type { Step } from '../instructions.js';
import type { LaunchInput } from '../launch-input.js';
import { requestStep } from '../netlink-step.js';
import type { PublishPlan } from '../network-plan.js';
import type { Slots } from '../slots.js';

/** Before the first `release`, after which the container configures them. */
/** Once the interfaces are there. The teardown removes them: see `compileTeardown`. */
export function publishPorts(steps: Step[], { bridges }: LaunchInput): void {
  if (bridges?.published === undefined) return;
  const { stale, publish } = bridges.published;
  if (stale !== undefined) steps.push(requestStep(stale, undefined, true));
  steps.push(requestStep(publish));
}

/** First: a port that another has is the most likely reason for a network to fail. */
function bindPorts(steps: Step[], { sockets: { text, bytes } }: PublishPlan): void {
  steps.push({ op: 'port.bind', texts: [text, bytes] });
}

export function makeInterfaces(steps: Step[], { bridges }: LaunchInput, slots: Slots): void {
  if (bridges === undefined) return;
  if (bridges.published !== undefined) bindPorts(steps, bridges.published);
  const network = slots.take();
  steps.push(
    { op: 'ns.open', slots: [network], texts: ['net'] },
    requestStep(bridges.outside, network),
  );
}
