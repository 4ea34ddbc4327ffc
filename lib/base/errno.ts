/** Errors by name. */
import { constants } from 'node:os';

/** Second names of numbers that man pages and the kernel know by another. */
const ALIASES: ReadonlySet<string> = new Set(['EWOULDBLOCK', 'EDEADLOCK', 'ENOTSUP']);

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => !ALIASES.has(name))
    .map(([name, number]) => [number, name]),
);

/** `EPERM` for 1; `errno 524` for what has no name in userspace. */
export function errnoName(number: number): string {
  return NAMES.get(number) ?? `errno ${number}`;
}

/** Whether it is a failed system call of Node's own with one of these errors. */
export function isErrno(error: unknown, ...names: readonly string[]): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' && names.includes(code);
}
