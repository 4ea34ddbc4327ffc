/**
 * The owner of a run: its directory has a link `owner` that names the process, or the thread, to which it belongs. If that
 * is gone, the process that finds the directory tears down the container.
 */
import { existsSync, readFileSync } from 'node:fs';
import { readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CaissonError } from '../base/errors.js';
import { isErrno } from '../base/errno.js';

/** A directory without a link that is older than this, in milliseconds, is left over from an unfinished start. */
const UNFINISHED_AGE = 60_000;

/** Field 22 of /proc/<pid>/stat, after the command's name, which may contain anything. */
export function startTime(stat: string): string {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

let boot: string | undefined;

/** Of this run of the kernel. */
export function bootId(): string {
  return (boot ??= readProc('/proc/sys/kernel/random/boot_id').trim());
}

/** @throws ERR_KERNEL_FEATURE_MISSING */
function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT', 'ENOTDIR')) throw cause;
    throw new CaissonError(
      'ERR_KERNEL_FEATURE_MISSING',
      `${path} is missing: no proc is mounted on /proc`,
      {
        stage: 'config',
        path,
        errno: (cause as NodeJS.ErrnoException).code,
        hint: 'mount -t proc proc /proc',
        cause,
      },
    );
  }
}

/**
 * `pid start-time boot-id`: a pid alone would be mistaken for its next user.
 *
 * @param who `thread-self`: the calling thread, which may be a worker's and end before the process (proc(5)).
 */
export function ownerName(who: 'self' | 'thread-self' = 'self'): string {
  const own = readProc(`/proc/${who}/stat`);
  return `${own.slice(0, own.indexOf(' '))} ${startTime(own)} ${bootId()}`;
}

/** Ids of containers below `directory` whose owner is gone. */
export async function findAbandoned(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  if (names.length === 0) return [];
  const abandoned: string[] = [];
  for (const id of names) {
    if (/^[0-9a-f]{64}$/.test(id) && (await isAbandoned(join(directory, id)))) abandoned.push(id);
  }
  return abandoned;
}

async function isAbandoned(path: string): Promise<boolean> {
  const owner = await readlink(join(path, 'owner')).catch(() => undefined);
  if (owner !== undefined) return !isAlive(owner);
  // What is kept has no owner (store.ts).
  if (existsSync(join(path, 'config.json'))) return false;
  const made = await stat(path).catch(() => undefined);
  return made !== undefined && Date.now() - made.ctimeMs > UNFINISHED_AGE;
}

/** Whether the process lives that `ownerName` said of itself, or a supervisor. */
export function isAlive(name: string): boolean {
  const [pid = '', start = '', at = ''] = name.split(' ');
  return at === bootId() && startTimeOf(Number(pid)) === start;
}

/** Undefined when there is no such process; a zombie is none. */
export function startTimeOf(pid: number): string | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const zombie = text[text.lastIndexOf(')') + 2] === 'Z';
    return zombie ? undefined : startTime(text);
  } catch {
    return undefined;
  }
}
