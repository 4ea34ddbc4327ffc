/** The events of networks. */
import { CaissonError } from '../../base/errors.js';
import type { AnyNetwork } from '../../network/bridge/stored-network.js';
import { appendEvent, timeNanoNow } from './event-log.js';
import type { NetworkEvent } from './stored.js';

type NetworkOfEvent = Pick<AnyNetwork, 'id' | 'name' | 'driver'>;

/** What each event of a network says about it. */
export function networkAttributes({ name, driver }: NetworkOfEvent): Record<string, string> {
  return { name, type: driver };
}

/** Appends an event of a network. What has been done stays done where the log cannot be written. */
export function recordNetworkEvent(
  runRoot: string,
  network: NetworkOfEvent,
  action: NetworkEvent['action'],
  more: Readonly<Record<string, string>> = {},
): void {
  try {
    appendEvent(runRoot, {
      type: 'network',
      action,
      id: network.id,
      attributes: { ...networkAttributes(network), ...more },
      timeNano: timeNanoNow(),
    });
  } catch (error) {
    if (!(error instanceof CaissonError)) throw error;
  }
}
