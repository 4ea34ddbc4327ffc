/** A container as the kernel shows it to the host. */
import { constants, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { access, lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { isRoot } from '../../lib/host/user-namespace-ids.js';
import { slowness } from './slowness.js';

export const NAMESPACES = ['mnt', 'uts', 'ipc', 'pid', 'net', 'user', 'cgroup'] as const;

/** Waits until `look` no longer throws; then its value. The last error, when it never does. */
export async function eventually<T>(look: () => T | Promise<T>, patience = 10_000): Promise<T> {
  const end = performance.now() + patience * slowness;
  for (let pause = 1; ; pause = Math.min(2 * pause, 10)) {
    const began = performance.now();
    try {
      return await look();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    // Between two looks: what is looked for needs the processor, too, which a command or a look at all of /proc would take.
    await sleep(Math.max(pause, performance.now() - began));
  }
}

/**
 * Looks again and again for so long, and throws as soon as `look` does: that something does not happen is no state that
 * could be waited for.
 */
export async function holdsFor(milliseconds: number, look: () => unknown): Promise<void> {
  const end = performance.now() + milliseconds;
  do {
    await look();
    await sleep(10); // between two looks
  } while (performance.now() < end);
}

/** Waits until a value has stayed the same for so many milliseconds; then the value. That something stands still shows in nothing else. */
export function settled<T>(look: () => T | Promise<T>, milliseconds = 500): Promise<T> {
  let last: { readonly value: T; readonly since: number } | undefined;
  return eventually(async () => {
    const value = await look();
    if (last?.value !== value) last = { value, since: performance.now() };
    if (performance.now() - last.since < milliseconds) throw new Error(`${String(value)} changes`);
    return value;
  }, 40_000);
}

/** A time has to pass: beside each call a comment says why. For a state there is `eventually`. */
export function sleep(milliseconds: number): Promise<void> {
  // The callers say why.
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** A device that no container has of itself, that this user may open, and that does nothing when it is opened. */
export async function spareDevice(): Promise<string | undefined> {
  for (const path of ['/dev/loop-control', '/dev/fuse', '/dev/net/tun']) {
    const usable = await access(path, constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    );
    if (usable) return path;
  }
  return undefined;
}

/** The host's id of a user of a container that writes to a directory of the host's: a rootless user has a range. */
export async function outsideUid(inside: number): Promise<number> {
  const { uid, username } = userInfo();
  if (uid === 0) return inside;
  if (inside === 0) return uid;
  const ranges = await readFile('/etc/subuid', 'utf8');
  const first = new RegExp(`^${username}:(\\d+):`, 'm').exec(ranges)?.[1];
  return Number(first) + inside - 1;
}

/** Namespace to its identity, such as `uts:[4026531838]`. */
export async function namespacesOf(pid: number | 'self'): Promise<Record<string, string>> {
  const entries = NAMESPACES.map(
    async (name) => [name, await readlink(`/proc/${pid}/ns/${name}`)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** The lines of /proc/PID/status. */
export async function statusOf(pid: number): Promise<Record<string, string>> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  return Object.fromEntries(
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.split(':\t') as [string, string]),
  );
}

/** Seconds that a process has used: proc_pid_stat(5), in USER_HZ, which is 100 on both architectures. */
export async function processorTime(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The parents of a process, nearest first. */
export async function ancestorsOf(pid: number): Promise<number[]> {
  const found: number[] = [];
  for (let at = pid; at > 1;) {
    at = Number((await statusOf(at))['PPid']);
    found.push(at);
  }
  return found;
}

export interface Hierarchy {
  readonly version: 1 | 2;
  /** Of v1, by mount options: `cpu`, `cpuacct`. */
  readonly controllers: readonly string[];
  readonly mountPoint: string;
}

/** The cgroup hierarchies of this machine: proc_pid_mountinfo(5). */
export async function hierarchies(): Promise<Hierarchy[]> {
  const found: Hierarchy[] = [];
  for (const line of (await readFile('/proc/self/mountinfo', 'utf8')).trimEnd().split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const mountPoint = before.split(' ')[4] ?? '';
    const [type, , options = ''] = after.split(' ');
    if (type === 'cgroup2') found.push({ version: 2, controllers: [], mountPoint });
    else if (type === 'cgroup') {
      const controllers = options.split(',').filter((word) => word !== 'rw' && word !== 'ro');
      if (controllers.some((word) => word.startsWith('name='))) continue;
      found.push({ version: 1, controllers, mountPoint });
    }
  }
  return found;
}

/** The directories that a container has in the cgroup hierarchies. */
export async function cgroupsOf(id: string): Promise<string[]> {
  const directories = (await hierarchies()).flatMap(({ mountPoint }) => [
    join(mountPoint, 'caisson', id),
    join(scopeIn(mountPoint, id), 'container'),
  ]);
  const there = await Promise.all(directories.map(exists));
  return directories.filter((_, index) => there[index]);
}

/** Where systemd makes its scope: root's, or this user's own. */
export function scopeIn(mountPoint: string, id: string): string {
  const uid = process.geteuid?.() ?? 0;
  const slice =
    uid === 0 ? 'system.slice' : `user.slice/user-${uid}.slice/user@${uid}.service/user.slice`;
  return join(mountPoint, slice, `caisson-${id}.scope`);
}

/** A container's directory for a controller: v1's, else v2's. */
export async function cgroupOf(
  id: string,
  controller: string,
): Promise<{ version: 1 | 2; directory: string }> {
  const all = await hierarchies();
  const found =
    all.find(({ controllers }) => controllers.includes(controller)) ??
    all.find(({ version }) => version === 2);
  if (found === undefined) throw new Error(`no hierarchy has ${controller}`);
  const scoped = join(scopeIn(found.mountPoint, id), 'container');
  const directory = (await exists(scoped)) ? scoped : join(found.mountPoint, 'caisson', id);
  return { version: found.version, directory };
}

/** The host's pids of everything in a container's cgroups; where it has none, in its pid namespace. */
export async function processesOf(id: string): Promise<number[]> {
  const pids = new Set<number>();
  const cgroups = await cgroupsOf(id);
  if (cgroups.length === 0 && !isRoot()) return processesBelow(supervisorsOf(id));
  for (const directory of cgroups) {
    const text = await readFile(join(directory, 'cgroup.procs'), 'utf8').catch(() => '');
    for (const line of text.split('\n')) if (line !== '') pids.add(Number(line));
  }
  return [...pids];
}

/** Supervisors of a container that are alive, whatever its state says: each has the id among its arguments. The kernel cuts a name to 15 bytes. */
export function supervisorsOf(id: string): number[] {
  const found: number[] = [];
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      if (readFileSync(`/proc/${pid}/comm`, 'utf8') !== 'caisson-supervi\n') continue;
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(id.slice(0, 12)))
        found.push(Number(pid));
    } catch {
      // It has just ended.
    }
  }
  return found;
}

/** Everything in the pid namespaces that these have made: also what has joined one from outside. */
function processesBelow(makers: readonly number[]): number[] {
  const own = readlinkSync('/proc/self/ns/pid');
  const found = readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const namespace = readlinkSync(`/proc/${pid}/ns/pid`);
      const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      return namespace === own ? [] : [{ pid: Number(pid), namespace, parent: Number(parent) }];
    } catch {
      return []; // it has just ended, or belongs to another user
    }
  });
  const theirs = found.filter(({ parent }) => makers.includes(parent));
  const namespaces = new Set(theirs.map(({ namespace }) => namespace));
  return found.filter(({ namespace }) => namespaces.has(namespace)).map(({ pid }) => pid);
}

/** The host's pid behind a pid of the container. */
export async function pidOutside(id: string, inside: number): Promise<number> {
  for (const pid of await processesOf(id)) {
    const status = await statusOf(pid).catch(() => undefined);
    const numbers = status?.['NSpid']?.split('\t').map(Number) ?? [];
    if (numbers.length > 1 && numbers.at(-1) === inside) return pid;
  }
  throw new Error(`container ${id} has no process ${inside}`);
}

/** Everything that a container has on the host: empty once it is gone. */
export async function tracesOf(id: string, dataRoot: string): Promise<string[]> {
  const traces = await cgroupsOf(id);
  const scopes = (await hierarchies()).map(({ mountPoint }) => scopeIn(mountPoint, id));
  for (const scope of scopes) if (await exists(scope)) traces.push(scope);
  const containers: string[] = await readdir(join(dataRoot, 'containers')).catch(() => []);
  if (containers.includes(id)) traces.push(join(dataRoot, 'containers', id));
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  return [...traces, ...mounts.filter((line) => line.includes(id))];
}
