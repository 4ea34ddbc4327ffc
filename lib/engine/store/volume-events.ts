/** The events of volumes. */
import { CaissonError } from '../../base/errors.js';
import type { MountConfig } from '../options/mount-config.js';
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

/** What a supervisor tells of the volumes of its container: with `+` when they are mounted, with `-` when they were. */
export function volumeAttachments(
  container: string,
  mounts: readonly MountConfig[],
): { readonly id: string; readonly attributes: Readonly<Record<string, string>> }[] {
  return mounts.flatMap(({ volume, target, options }) => {
    if (volume?.name === undefined) return [];
    const { name } = volume;
    const writable = String(!options.includes('ro'));
    return [
      {
        id: `+${name}`,
        attributes: { container, destination: target, driver: 'local', propagation: '', 'read/write': writable }, // prettier-ignore
      },
      { id: `-${name}`, attributes: { container, driver: 'local' } },
    ];
  });
}
