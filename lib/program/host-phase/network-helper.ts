/** A program of the host that provides the container's network. */
import { stringList } from '../encode.js';
import type { Step } from '../instructions.js';
import type { LaunchInput } from '../launch-input.js';
import type { Slots } from '../slots.js';

/** Before the container's program starts, so that it finds its network. */
export function startHelper(
  steps: Step[],
  { helper }: LaunchInput,
  slots: Slots,
  userns: number | undefined,
): void {
  if (helper === undefined) return;
  const network = slots.take();
  steps.push(
    { op: 'ns.open', slots: [network], texts: ['net'] },
    {
      op: 'helper.start',
      slots: [userns, network],
      texts: [helper.path, stringList(helper.args)],
      numbers: [helper.namespaceAt, helper.ready === 'ended' ? 0 : 1],
    },
  );
}
