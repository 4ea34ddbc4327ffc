/** Errors by name. */
import { constants } from 'node:os';

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, number]) => [number, name]),
);

/** `EPERM` for 1; `errno 524` for what has no name in userspace. */
export function errnoName(number: number): string {
  return NAMES.get(number) ?? `errno ${number}`;
}
