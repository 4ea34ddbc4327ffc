/**
 * Who may clean up: each container's directory has a link `owner` that names the process it belongs to. When
 * that process is gone, whoever finds the directory undoes the container.
 */
import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A directory without a link yet is younger than this, in milliseconds; an older one was left half made. */
const HALF_MADE = 60_000;

/** Field 22 of /proc/<pid>/stat, after the command's name, which may contain anything. */
export function startTime(stat: string): string {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/** `pid start-time boot-id`: a pid alone would be mistaken for its next user. */
export async function ownerName(): Promise<string> {
  const own = readFileSync('/proc/self/stat', 'utf8');
  return `${process.pid} ${startTime(own)} ${await bootId()}`;
}

/** Ids of containers below `directory` whose owner is gone. */
export async function findAbandoned(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  if (names.length === 0) return [];
  const boot = await bootId();
  const abandoned: string[] = [];
  for (const id of names) {
    if (/^[0-9a-f]{64}$/.test(id) && (await isAbandoned(join(directory, id), boot)))
      abandoned.push(id);
  }
  return abandoned;
}

async function isAbandoned(path: string, boot: string): Promise<boolean> {
  const owner = await readlink(join(path, 'owner')).catch(() => undefined);
  if (owner === undefined) {
    const made = await stat(path).catch(() => undefined);
    return made !== undefined && Date.now() - made.ctimeMs > HALF_MADE;
  }
  const [pid = '', start = '', at = ''] = owner.split(' ');
  if (at !== boot) return true;
  const now = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return now === undefined || startTime(now) !== start;
}
