/** How many files a container's program may have open, where nothing is said of it. */
import { readFileSync } from 'node:fs';
import type { PosixRlimit } from '../oci/runtime-spec.js';

/** The kernel's and systemd's soft limit, above which select(2) does not work. */
const USUAL = 1024;

interface Limit {
  readonly soft: number;
  readonly hard: number;
}

let known: readonly PosixRlimit[] | undefined;

/**
 * Node raises its own soft limit to the hard one when it starts. What it had before is its parent's, if that has the
 * same hard limit; else, as that of a service is not its manager's, the usual one. Nothing where nothing was raised.
 */
export function callersOpenFiles(): readonly PosixRlimit[] {
  known ??= find();
  return known;
}

function find(): readonly PosixRlimit[] {
  const own = readLimit('self');
  if (own === undefined || own.soft !== own.hard) return [];
  const parent = readLimit(process.ppid);
  const soft = parent?.hard === own.hard ? parent.soft : Math.min(USUAL, own.hard);
  return soft === own.soft ? [] : [{ type: 'RLIMIT_NOFILE', soft, hard: own.hard }];
}

/** proc_pid_limits(5) */
function readLimit(pid: number | 'self'): Limit | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/limits`, 'latin1');
  } catch {
    return undefined; // it is in no pid namespace of ours
  }
  const [, soft, hard] = /^Max open files +(\d+) +(\d+)/m.exec(text) ?? [];
  return soft === undefined ? undefined : { soft: Number(soft), hard: Number(hard) };
}
