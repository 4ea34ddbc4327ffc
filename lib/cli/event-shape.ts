/** One event as `docker events` prints it. */
import type { ContainerEvent } from '../engine/stored.js';
import { markStringMap, markStruct } from './template.js';

/** `2026-01-01T00:00:00.123456789Z container start <id> (image=host, name=web)`; in the caller's time zone. */
export function eventLine({ type, action, id, attributes, timeNano }: ContainerEvent): string {
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
  // Shifted by its own zone, the UTC form reads as local time.
  const text = new Date(time.getTime() + minutes * 60_000).toISOString().slice(0, 19);
  const two = (value: number): string => String(value).padStart(2, '0');
  const zone =
    minutes === 0
      ? 'Z'
      : `${minutes < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return `${text}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}${zone}`;
}

/** For templates. TimeNano is a text: a JavaScript number would lose its last digits. */
export function eventShape(event: ContainerEvent): object {
  const { type, action, id, attributes, timeNano } = event;
  return markStruct('Event', {
    Status: action,
    ID: id,
    From: attributes['image'] ?? '',
    Type: type,
    Action: action,
    Actor: markStruct('Actor', { ID: id, Attributes: markStringMap({ ...attributes }) }),
    Scope: 'local',
    Time: Number(BigInt(timeNano) / 1_000_000_000n),
    TimeNano: timeNano,
  });
}

/** `--format json`: Docker's object, in one line. */
export function eventJson({ type, action, id, attributes, timeNano }: ContainerEvent): string {
  const nanoseconds = BigInt(timeNano);
  const text = JSON.stringify({
    status: action,
    id,
    from: attributes['image'] ?? '',
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: 'local',
    time: Number(nanoseconds / 1_000_000_000n),
  });
  return `${text.slice(0, -1)},"timeNano":${nanoseconds}}`;
}
