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
  const { path, args, namespaceAt, ready, ports, requests = [], socketAt = 0 } = helper;
  const network = slots.take();
  // The program binds them itself, and says less about what fails.
  if (ports !== undefined)
    steps.push({ op: 'port.bind', texts: [ports.text, ports.bytes], numbers: [1] });
  steps.push(
    { op: 'ns.open', slots: [network], texts: ['net'] },
    {
      op: 'helper.start',
      slots: [userns, network],
      texts: [path, stringList([...requests, ...args])],
      numbers: [namespaceAt, ready === 'ended' ? 0 : 1, socketAt, requests.length],
    },
  );
}
