/** Errors by name. */
import { constants } from 'node:os';

/** Second names of numbers whose usual name differs. */
const ALIASES: ReadonlySet<string> = new Set(['EWOULDBLOCK', 'EDEADLOCK', 'ENOTSUP']);

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => !ALIASES.has(name))
    .map(([name, number]) => [number, name]),
);

/** `EPERM` for 1; `errno 524` for a number without a name in userspace. */
export function errnoName(number: number): string {
  return NAMES.get(number) ?? `errno ${number}`;
}

/** Whether this is the error of a system call of Node, with one of these codes. */
export function isErrno(error: unknown, ...names: readonly string[]): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' && names.includes(code);
}
