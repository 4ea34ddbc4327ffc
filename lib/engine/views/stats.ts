/** One sample of what a container uses. Counters count from its start. */
import { readFile } from 'node:fs/promises';
import { type CgroupDirectory, existing, parseFlat, readIn } from '../../cgroup/cgroup-paths.js';
import { processesBeside, processesOf } from '../../cgroup/processes.js';
import { formatTimeStamp } from '../../base/time-stamp.js';
import { directoryWith, numberIn } from './cgroup-numbers.js';
import { type BlkioStats, blkioStats } from './block-io-stats.js';
import { type CpuStats, cpuStats } from './cpu-stats.js';
import { type NetworkStats, networkStats } from './network-stats.js';
import { type PressureStats, pressureStats } from './pressure-stats.js';

/** What a container uses. Numbers that grow are those since its start. */
export interface ContainerStats {
  /** RFC 3339, UTC. */
  readonly read: string;
  /** Missing, like each of the others, where no controller counts it. */
  readonly cpu?: CpuStats | undefined;
  /** Of its memory. */
  readonly memory?: MemoryStats | undefined;
  /** Of its processes and threads. */
  readonly pids?: PidsStats | undefined;
  /** Of block devices. */
  readonly blkio?: BlkioStats | undefined;
  /** By interface, of the network namespace of the main process. */
  readonly networks?: Readonly<Record<string, NetworkStats>> | undefined;
  /** Pressure stall information, where cgroup v2 has it. */
  readonly pressure?: PressureStats | undefined;
}

/** Memory of a container, in bytes. */
export interface MemoryStats {
  /** Without the page cache that is not in use: what Docker shows. */
  readonly usage: number;
  /** All that is charged to the container. */
  readonly charged: number;
  /** The limit, or the machine's memory where there is none. */
  readonly limit: number;
  /** The most that was ever charged; missing on v2 before Linux 5.19. */
  readonly max?: number | undefined;
  /** How often the limit was met. */
  readonly failcnt: number;
  /** How many of its processes the kernel has killed for want of memory. */
  readonly oomKills: number;
  /** What of it is in swap; missing where that is not counted. */
  readonly swap?: number | undefined;
  /** `memory.stat` as it is. */
  readonly stats: Readonly<Record<string, number>>;
}

/** Processes and threads. */
export interface PidsStats {
  /** How many there are. */
  readonly current: number;
  /** Missing: none. */
  readonly limit?: number | undefined;
}

/**
 * @param directories where it may have cgroups (`cgroupDirectories`).
 * @param pid its main process, on the host: for the network.
 * @returns undefined when the container has ended, even if only while it was looked at.
 */
export async function readStats(
  directories: readonly CgroupDirectory[],
  pid?: number,
): Promise<ContainerStats | undefined> {
  if (directories.length === 0) return pid === undefined ? undefined : statsBeside(pid);
  const there = await existing(directories);
  if (there.length === 0) return undefined;
  const read = formatTimeStamp(BigInt(Date.now()) * 1_000_000n);
  const [cpu, memory, pids, blkio, pressure, networks] = await Promise.all([
    cpuStats(there),
    memoryStats(there),
    pidsStats(there),
    blkioStats(there),
    pressureStats(there),
    pid === undefined ? undefined : networkStats(pid),
  ]);
  // The cgroups of a container that is ending may be gone in part, and the rest of the numbers is worth nothing.
  if (pid !== undefined && networks === undefined) return undefined;
  if ((await existing(there)).length < there.length) return undefined;
  // It has ended, and is about to be cleaned up.
  if ((await processesOf(there.slice(0, 1).map(({ dir }) => dir))).length === 0) return undefined;
  return { read, cpu, memory, pids, blkio, networks, pressure };
}

/** Of one without cgroups: what else there is to see. */
async function statsBeside(pid: number): Promise<ContainerStats | undefined> {
  const [pids, networks] = await Promise.all([processesBeside(pid), networkStats(pid)]);
  if (networks === undefined || pids.length === 0) return undefined;
  const read = formatTimeStamp(BigInt(Date.now()) * 1_000_000n);
  return { read, pids: { current: pids.length }, networks };
}

/** Of one processor: two that are fully used are 200. As the Docker command line computes it. */
export function cpuPercent(previous: ContainerStats, current: ContainerStats): number {
  if (previous.cpu === undefined || current.cpu === undefined) return 0;
  const used = current.cpu.usage - previous.cpu.usage;
  const passed = current.cpu.systemUsage - previous.cpu.systemUsage;
  return used > 0 && passed > 0 ? (used / passed) * current.cpu.onlineCpus * 100 : 0;
}

async function memoryStats(
  directories: readonly CgroupDirectory[],
): Promise<MemoryStats | undefined> {
  const directory = directoryWith(directories, 'memory');
  if (directory === undefined) return undefined;
  const { dir, version } = directory;
  const v1 = version === 1;
  const [charged, statText, limit, max, events, fails, swap, machine] = await Promise.all([
    numberIn(dir, v1 ? 'memory.usage_in_bytes' : 'memory.current'),
    readIn(dir, 'memory.stat'),
    numberIn(dir, v1 ? 'memory.limit_in_bytes' : 'memory.max'),
    numberIn(dir, v1 ? 'memory.max_usage_in_bytes' : 'memory.peak'),
    readIn(dir, v1 ? 'memory.oom_control' : 'memory.events'),
    v1 ? numberIn(dir, 'memory.failcnt') : undefined,
    v1 ? undefined : numberIn(dir, 'memory.swap.current'),
    machineMemory(),
  ]);
  if (charged === undefined) return undefined;
  const stats = parseFlat(statText);
  const counts = parseFlat(events);
  // `total_` includes the cgroups below.
  const inactive = stats.get(v1 ? 'total_inactive_file' : 'inactive_file') ?? 0;
  return {
    usage: inactive < charged ? charged - inactive : charged,
    charged,
    limit: Math.min(limit ?? Infinity, machine),
    max,
    failcnt: fails ?? counts.get('max') ?? 0,
    oomKills: counts.get('oom_kill') ?? 0,
    swap: swap ?? stats.get('total_swap'),
    stats: Object.fromEntries(stats),
  };
}

async function machineMemory(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8');
  return Number(/^MemTotal:\s+(\d+) kB$/m.exec(text)?.[1] ?? Infinity) * 1024;
}

async function pidsStats(directories: readonly CgroupDirectory[]): Promise<PidsStats | undefined> {
  const directory = directoryWith(directories, 'pids');
  if (directory === undefined) return undefined;
  const [current, limit] = await Promise.all([
    numberIn(directory.dir, 'pids.current'),
    numberIn(directory.dir, 'pids.max'),
  ]);
  return current === undefined ? undefined : { current, limit };
}
