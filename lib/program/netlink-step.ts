import type { Step } from './instructions.js';
import type { NetlinkRequest } from './network-plan.js';

/**
 * @param network slot of the network namespace that the request names, if it names one
 * @param missingIsFine for a request that removes something: it may be gone, or be another container's by now
 */
export function requestStep(
  { protocol, bytes, text, namespaceAt = 0 }: NetlinkRequest,
  network?: number,
  missingIsFine = false,
): Step {
  return {
    op: 'netlink.request',
    slots: [network],
    texts: [text, bytes],
    numbers: [protocol, namespaceAt, missingIsFine ? 1 : 0],
  };
}
