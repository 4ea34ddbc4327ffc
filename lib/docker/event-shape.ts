/** One event as `docker events` prints it. */
import type { EngineEvent } from '../engine/store/stored.js';
import { addFields } from './api-fields.js';
import { markStringMap, markStruct } from './go-values.js';

/** `2026-01-01T00:00:00.123456789Z container start <id> (image=host, name=web)`; in the caller's time zone. */
export function eventLine({ type, action, id, attributes, timeNano }: EngineEvent): string {
  const pairs = Object.keys(attributes)
    .sort()
    .map((key) => `${key}=${attributes[key]}`);
  const what = pairs.length === 0 ? '' : ` (${pairs.join(', ')})`;
  return `${localTime(BigInt(timeNano))} ${type} ${action} ${id}${what}`;
}

/** RFC 3339 with nine decimals. */
function localTime(nanoseconds: bigint): string {
  const time = new Date(Number(nanoseconds / 1_000_000n));
  const minutes = -time.getTimezoneOffset();
  // The UTC form of the time, shifted by the zone's offset, is the local time.
  const text = new Date(time.getTime() + minutes * 60_000).toISOString().slice(0, 19);
  const two = (value: number): string => String(value).padStart(2, '0');
  const zone =
    minutes === 0
      ? 'Z'
      : `${minutes < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return `${text}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}${zone}`;
}

/** Docker's object. The nanoseconds are a bigint, because a number would lose their last digits. */
export function eventShape({ type, action, id, attributes, timeNano }: EngineEvent): object {
  const nanoseconds = BigInt(timeNano);
  const event = {
    // Old fields, which only events of containers and images have (moby, daemon/events/events.go).
    ...(type === 'container' ? { status: action, id, from: attributes['image'] ?? '' } : {}),
    ...(type === 'image' ? { status: action, id } : {}),
    Type: type,
    Action: action,
    Actor: markStruct('Actor', { ID: id, Attributes: markStringMap({ ...attributes }) }),
    scope: 'local',
    time: Number(nanoseconds / 1_000_000_000n),
    timeNano: nanoseconds,
  };
  return markStruct('Event', addFields('Event', event));
}
