/** The events of volumes. */
import { CaissonError } from '../../base/errors.js';
import { appendEvent, timeNanoNow } from './event-log.js';
import type { VolumeEvent } from './stored.js';

/** Appends an event of a volume. What has been done stays done where the log cannot be written. */
export function recordVolumeEvent(
  runRoot: string,
  name: string,
  action: VolumeEvent['action'],
  more: Readonly<Record<string, string>> = {},
): void {
  try {
    appendEvent(runRoot, {
      type: 'volume',
      action,
      id: name,
      attributes: { ...more, driver: 'local' },
      timeNano: timeNanoNow(),
    });
  } catch (error) {
    if (!(error instanceof CaissonError)) throw error;
  }
}
