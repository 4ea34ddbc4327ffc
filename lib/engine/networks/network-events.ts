/** The events of networks. */
import { CaissonError } from '../../base/errors.js';
import type { StoredNetwork } from '../../network/bridge/stored-network.js';
import { appendEvent, timeNanoNow } from '../store/event-log.js';
import type { NetworkEvent } from '../store/stored.js';

/** Appends an event of a network. What has been done stays done where the log cannot be written. */
export function recordNetworkEvent(
  runRoot: string,
  { id, name, driver }: Pick<StoredNetwork, 'id' | 'name'> & { readonly driver: string },
  action: NetworkEvent['action'],
  more: Readonly<Record<string, string>> = {},
): void {
  try {
    appendEvent(runRoot, {
      type: 'network',
      action,
      id,
      attributes: { name, type: driver, ...more },
      timeNano: timeNanoNow(),
    });
  } catch (error) {
    if (!(error instanceof CaissonError)) throw error;
  }
}
