/** The container's interfaces on bridges: a pair of connected interfaces for each, one end of it in the container. */
import type { Step } from '../instructions.js';
import type { LaunchInput } from '../launch-input.js';
import { requestStep } from '../netlink-step.js';
import { release } from '../release.js';
import type { Slots } from '../slots.js';

/** Once the interfaces are there. The teardown removes what is published: see `compileTeardown`. */
export function publishPorts(steps: Step[], { bridges }: LaunchInput): void {
  if (bridges?.published === undefined) return;
  const { others, publish, forgetBefore } = bridges.published;
  steps.push(requestStep(publish, 'waits', undefined, bridges.repairFile, others));
  if (forgetBefore !== undefined) steps.push(requestStep(forgetBefore, 'removes'));
}

/** Before the program can begin. The teardown removes it, as what is published. */
export function restrictConnections(steps: Step[], { bridges }: LaunchInput): void {
  if (bridges?.policy !== undefined) steps.push(requestStep(bridges.policy.add, 'waits'));
}

/** First: a port that another has is the most likely reason for a network to fail. */
export function bindPorts(steps: Step[], { bridges }: LaunchInput): void {
  if (bridges?.published === undefined) return;
  const { sockets, forwards } = bridges.published;
  const texts = [sockets.text, sockets.bytes];
  steps.push({ op: forwards ? 'port.forward' : 'port.bind', texts });
}

/** The first step of the container phase is `ns.unshare`, which makes the network namespace. */
const NETWORK_IS_THERE = 1;

/**
 * While the container attaches its mounts, after which it waits for a `release` and configures them. They are gone with the container's network namespace,
 * which the kernel removes some time after the last process: a container that is started again may have to wait for it.
 */
export function makeInterfaces(steps: Step[], { bridges }: LaunchInput, slots: Slots): void {
  if (bridges === undefined) return;
  if (bridges.frames !== undefined)
    steps.push(requestStep(bridges.frames.add, 'once', undefined, bridges.repairFile));
  const network = slots.take();
  steps.push({ op: 'ns.open', slots: [network], texts: ['net'], numbers: [NETWORK_IS_THERE] });
  for (const request of bridges.outside) steps.push(requestStep(request, 'waits', network));
  release(steps, []);
}
