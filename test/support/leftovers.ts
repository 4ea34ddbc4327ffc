/**
 * What a process with containers can leave behind besides the containers' own traces. Other engines may be
 * at work on the same machine: everything is looked for among what belongs to one process.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually, hierarchies } from './outside.js';

/** The processes in a cgroup. */
export async function processesIn(cgroup: string): Promise<number[]> {
  const text = await readFile(join(cgroup, 'cgroup.procs'), 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean).map(Number);
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly state: string;
}

/** From /proc/PID/stat, proc_pid_stat(5); the name is that of the command line, where there is one. */
function processes(): Process[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const end = stat.lastIndexOf(')');
      const [state = '', parent] = stat.slice(end + 2).split(' ');
      const [command = ''] = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      const name = command === '' ? stat.slice(stat.indexOf('(') + 1, end) : command;
      return [{ pid: Number(entry), parent: Number(parent), name, state }];
    } catch {
      return []; // it has just ended
    }
  });
}

/** The children of a process, zombies too: `pid name state`. */
export function childrenOf(pid: number): string[] {
  return processes()
    .filter(({ parent }) => parent === pid)
    .map((child) => `${child.pid} ${child.name} ${child.state}`);
}

/** The cleanup helper that a process has. */
export function cleanupHelperOf(pid: number): number | undefined {
  return processes().find(({ parent, name }) => parent === pid && name === 'caisson-cleanup')?.pid;
}

/**
 * The parents of cgroups that no engine uses. An engine that is open anywhere on the machine may have need of
 * them, so there are none of them to complain of while some cleanup helper is alive.
 */
export async function unusedParents(): Promise<string[]> {
  const guarded = () => processes().some(({ name }) => name === 'caisson-cleanup');
  if (guarded()) return [];
  const found: string[] = [];
  for (const { mountPoint } of await hierarchies()) {
    const parent = join(mountPoint, 'caisson');
    const entries = await readdir(parent, { withFileTypes: true }).catch(() => undefined);
    if (entries?.some((entry) => entry.isDirectory()) === false) found.push(`cgroup ${parent}`);
  }
  return guarded() ? [] : found;
}

/**
 * What the descriptors of this process refer to, sorted, without numbers. Sockets to nf_tables are left out: a few are kept for
 * the next requests (cpp/base/netlink.h), as many as there were requests at once.
 */
export function openDescriptors(): string[] {
  const found: string[] = [];
  const kept = netfilterSockets();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      if (!kept.has(target)) found.push(target.replaceAll(/\d+/g, 'N'));
    } catch {
      // The one by which the directory was read.
    }
  }
  return found.sort();
}

function netfilterSockets(): ReadonlySet<string> {
  const NETLINK_NETFILTER = '12';
  const lines = readFileSync('/proc/self/net/netlink', 'utf8').split('\n').slice(1);
  const sockets = lines.map((line) => line.trim().split(/\s+/));
  return new Set(
    sockets
      .filter(([, protocol]) => protocol === NETLINK_NETFILTER)
      .map((columns) => `socket:[${columns[9] ?? ''}]`),
  );
}

/** Waits until `look` finds nothing; throws with what it still found. */
export function untilNothing(
  look: () => string[] | Promise<string[]>,
  patience = 15_000,
): Promise<void> {
  return eventually(async () => {
    const found = await look();
    if (found.length > 0) throw new Error(`left behind:\n  ${found.join('\n  ')}`);
  }, patience);
}

/** Addresses that are claimed, as paths below `<runRoot>/networks`. */
export async function claimedAddresses(runRoot: string): Promise<string[]> {
  const paths = await pathsBelow(join(runRoot, 'networks'));
  return paths.filter((path) => path.includes('/')).map((path) => `claim ${path}`);
}

/**
 * What containers have left of networks: interfaces, claims, and elements of the firewall's maps.
 *
 * @param within before a command, to run it in a network namespace
 */
export async function networkTraces(
  runRoot: string,
  within: readonly string[] = [],
): Promise<string[]> {
  const output = async (...command: string[]) => {
    const [program = '', ...args] = [...within, ...command];
    return (await promisify(execFile)(program, args)).stdout;
  };
  const links = (await output('ip', '-o', 'link')).split('\n').map((line) => line.split(': ')[1]);
  const table = await output('nft', 'list', 'table', 'inet', 'caisson').catch(() => '');
  const frames = await output('nft', 'list', 'table', 'bridge', 'caisson').catch(() => '');
  const published = table.match(/\S+ \. \S+ : \S+ \. \d+/g) ?? [];
  return [
    ...links.filter((name) => name?.startsWith('ve')).map((name) => `interface ${name}`),
    ...(await claimedAddresses(runRoot)),
    ...(frames.match(/"ve[^,}]*/g) ?? []).map((element) => `element ${element}`),
    ...published.map((element) => `element ${element}`),
    ...(table.match(/^.*(?:jump|chain) policy-.*$|^\s*(?:set|map) .*-.*$/gm) ?? []),
  ];
}

/** All paths below a directory, none if it is missing. What is removed in the middle of the look is looked at again. */
export async function pathsBelow(directory: string): Promise<string[]> {
  for (;;) {
    try {
      return await readdir(directory, { recursive: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      if (!existsSync(directory)) return [];
    }
  }
}

/** Threads of the launcher (cpp/launcher/launcher.h), each of which keeps what it has opened for its first start. */
const LAUNCHER_THREADS = 4;

/**
 * Does so many things at once, and as often, that each thread of the launcher has its descriptors before descriptors are counted:
 * a thread is made only when the others are busy.
 */
export async function warmLaunchers(things: () => Promise<unknown>): Promise<void> {
  for (let round = 0; round < 200; round++) {
    await things();
    const kept = openDescriptors().filter((name) => name.includes('coredump_filter')).length;
    if (kept >= LAUNCHER_THREADS) return;
  }
  throw new Error(`not all ${LAUNCHER_THREADS} threads of the launcher have had something to do`);
}
