import type { Step } from './instructions.js';
import type { NetlinkRequest } from './network-plan.js';
import type { WithOwnTexts } from './own-texts.js';

/** Numbers of the step (cpp/steps/netlink_request.cpp). */
const MODES = {
  once: 0,
  /** It removes something, which may be gone, or be another container's by now. */
  removes: 1,
  /** It makes something that a container which is just being torn down may have: it waits for that. */
  waits: 2,
} as const;

/** @param file in which what is dumped is kept: as `decodeMessages` takes it */
export function saveStep({ protocol, bytes }: WithOwnTexts<NetlinkRequest>, file: string): Step {
  return { op: 'netlink.save', texts: [file, bytes], numbers: [protocol] };
}

/**
 * @param network slot of the network namespace that the request names, if it names one
 * @param repairFile has a request that is sent first if the kernel says ENOENT to this one
 * @param others batches that remove what is in the way: each by itself, and only if something is
 */
export function requestStep(
  { protocol, bytes, text, namespaceAt = 0 }: WithOwnTexts<NetlinkRequest>,
  mode: keyof typeof MODES = 'once',
  network?: number,
  repairFile?: WithOwnTexts<string>,
  others?: WithOwnTexts<Uint8Array>,
): Step {
  const last = others === undefined ? [] : [others];
  return {
    op: 'netlink.request',
    slots: [network],
    texts: [
      text,
      bytes,
      ...(repairFile === undefined && others === undefined ? [] : [repairFile]),
      ...last,
    ],
    numbers: [protocol, namespaceAt, MODES[mode]],
  };
}
