/** The events of containers. */
import { CaissonError } from '../../base/errors.js';
import { appendEvent, timeNanoNow } from './event-log.js';
import { imageName } from './image-of.js';
import type { Store } from './store.js';
import type { StoredConfig } from './stored.js';

/** What each event of a container says about it, besides its name. */
export function eventAttributes({ image, options }: StoredConfig): Record<string, string> {
  return { image: imageName(image), ...(options.labels as Record<string, string> | undefined) };
}

/** Appends an event of a container. What has been done stays done where the log cannot be written. */
export function recordEvent(
  store: Store,
  config: StoredConfig,
  action: string,
  more: Readonly<Record<string, string>> = {},
): void {
  try {
    appendEvent(store.paths.runRoot, {
      type: 'container',
      action,
      id: config.id,
      attributes: { name: config.name, ...eventAttributes(config), ...more },
      timeNano: timeNanoNow(),
    });
  } catch (error) {
    if (!(error instanceof CaissonError)) throw error;
  }
}
