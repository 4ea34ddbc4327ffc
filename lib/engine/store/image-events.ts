/** The events of images. */
import { CaissonError } from '../../base/errors.js';
import { appendEvent, timeNanoNow } from './event-log.js';
import type { ImageEvent } from './stored.js';

/**
 * Appends an event of an image. What has been done stays done where the log cannot be written.
 *
 * @param id `sha256:…`; with pull and push, the name, as Docker has it
 * @param name in its short form
 */
export function recordImageEvent(
  runRoot: string,
  id: string,
  action: ImageEvent['action'],
  name: string,
): void {
  append(runRoot, action, id, { name });
}

/** @param bytes that were freed */
export function appendPruneEvent(runRoot: string, bytes: number): void {
  append(runRoot, 'prune', '', { reclaimed: String(bytes) });
}

function append(
  runRoot: string,
  action: ImageEvent['action'],
  id: string,
  attributes: ImageEvent['attributes'],
): void {
  try {
    appendEvent(runRoot, { type: 'image', action, id, attributes, timeNano: timeNanoNow() });
  } catch (error) {
    if (!(error instanceof CaissonError)) throw error;
  }
}
