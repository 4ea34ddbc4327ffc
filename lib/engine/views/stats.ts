/** One sample of what a container uses. Counters count from its start. */
import { isErrno } from '../../base/errno.js';
import { readFile } from 'node:fs/promises';
import {
  type CgroupDirectory,
  existing,
  isGone,
  parseFlat,
  readIn,
} from '../../cgroup/cgroup-paths.js';
import { processesBeside, processesOf } from '../../cgroup/processes.js';
import { formatTimeStamp } from '../../base/time-stamp.js';

export interface ContainerStats {
  /** RFC 3339, UTC. */
  readonly read: string;
  /** Missing, like each of the others, where no controller counts it. */
  readonly cpu?: CpuStats | undefined;
  readonly memory?: MemoryStats | undefined;
  readonly pids?: PidsStats | undefined;
  readonly blkio?: BlkioStats | undefined;
  /** By interface, of the network namespace of the main process. */
  readonly networks?: Readonly<Record<string, NetworkStats>> | undefined;
  /** Pressure stall information, where cgroup v2 has it. */
  readonly pressure?: PressureStats | undefined;
}

/** Times in nanoseconds. */
export interface CpuStats {
  readonly usage: number;
  readonly user: number;
  readonly system: number;
  /** Of the machine: all processors' time since it was started, idle and not. */
  readonly systemUsage: number;
  readonly onlineCpus: number;
  readonly throttling: {
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttledTime: number;
  };
}

/** Bytes. */
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
  readonly oomKills: number;
  readonly swap?: number | undefined;
  /** `memory.stat` as it is. */
  readonly stats: Readonly<Record<string, number>>;
}

export interface PidsStats {
  readonly current: number;
  /** Missing: none. */
  readonly limit?: number | undefined;
}

export interface BlkioCounters {
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly readOps: number;
  readonly writeOps: number;
}

export interface BlkioStats extends BlkioCounters {
  readonly devices: readonly (BlkioCounters & {
    readonly major: number;
    readonly minor: number;
  })[];
}

export interface NetworkStats {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

export interface PressureStats {
  readonly cpu?: Pressure | undefined;
  readonly memory?: Pressure | undefined;
  readonly io?: Pressure | undefined;
}

export interface Pressure {
  readonly some: PressureShare;
  /** Missing for cpu before Linux 5.13. */
  readonly full?: PressureShare | undefined;
}

/** Percent of the last 10, 60 and 300 seconds; microseconds in all. */
export interface PressureShare {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly total: number;
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

/** v1's directory of a controller, else v2's. */
function directoryWith(
  directories: readonly CgroupDirectory[],
  v1: string,
  v2 = v1,
): CgroupDirectory | undefined {
  return (
    directories.find(({ version, controllers }) => version === 1 && controllers.includes(v1)) ??
    directories.find(({ version, controllers }) => version === 2 && controllers.includes(v2))
  );
}

async function numberIn(dir: string, file: string): Promise<number | undefined> {
  const text = (await readIn(dir, file))?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** USER_HZ, which is 100 on every architecture that Node runs on. */
const TICK = 1e9 / 100;

async function cpuStats(directories: readonly CgroupDirectory[]): Promise<CpuStats | undefined> {
  // cpu.stat of v2 is there without any controller.
  const account =
    directoryWith(directories, 'cpuacct') ?? directories.find(({ version }) => version === 2);
  if (account === undefined) return undefined;
  const machine = readFile('/proc/stat', 'utf8');
  const times = account.version === 1 ? await v1Times(account) : await v2Times(account);
  const { systemUsage, onlineCpus } = parseProcStat(await machine);
  if (times === undefined) return undefined;
  const bandwidth = directoryWith(directories, 'cpu');
  const stat = parseFlat(bandwidth && (await readIn(bandwidth.dir, 'cpu.stat')));
  const throttling = {
    periods: stat.get('nr_periods') ?? 0,
    throttledPeriods: stat.get('nr_throttled') ?? 0,
    throttledTime: stat.get('throttled_time') ?? (stat.get('throttled_usec') ?? 0) * 1000,
  };
  return { ...times, systemUsage, onlineCpus, throttling };
}

type CpuTimes = Pick<CpuStats, 'usage' | 'user' | 'system'>;

async function v1Times({ dir }: CgroupDirectory): Promise<CpuTimes | undefined> {
  const [usage, user, system, ticks] = await Promise.all([
    numberIn(dir, 'cpuacct.usage'),
    numberIn(dir, 'cpuacct.usage_user'),
    numberIn(dir, 'cpuacct.usage_sys'),
    readIn(dir, 'cpuacct.stat'),
  ]);
  if (usage === undefined) return undefined;
  // Linux before 4.7 has ticks only.
  const coarse = parseFlat(ticks);
  return {
    usage,
    user: user ?? (coarse.get('user') ?? 0) * TICK,
    system: system ?? (coarse.get('system') ?? 0) * TICK,
  };
}

async function v2Times({ dir }: CgroupDirectory): Promise<CpuTimes | undefined> {
  const text = await readIn(dir, 'cpu.stat');
  if (text === undefined) return undefined;
  const stat = parseFlat(text);
  const of = (name: string) => (stat.get(`${name}_usec`) ?? 0) * 1000;
  return { usage: of('usage'), user: of('user'), system: of('system') };
}

/** proc_stat(5): of the first line user to softirq, as Docker adds them up; a line for each online processor. */
export function parseProcStat(text: string): Pick<CpuStats, 'systemUsage' | 'onlineCpus'> {
  const [first = ''] = text.split('\n', 1);
  const ticks = first.trim().split(/\s+/).slice(1, 8).map(Number);
  return {
    systemUsage: ticks.reduce((sum, value) => sum + value, 0) * TICK,
    onlineCpus: text.match(/^cpu\d+ /gm)?.length ?? 1,
  };
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

type Counters = { -readonly [K in keyof BlkioCounters]: number };

const NO_IO: Readonly<Counters> = { readBytes: 0, writeBytes: 0, readOps: 0, writeOps: 0 };

async function blkioStats(
  directories: readonly CgroupDirectory[],
): Promise<BlkioStats | undefined> {
  const directory = directoryWith(directories, 'blkio', 'io');
  if (directory === undefined) return undefined;
  const byDevice = directory.version === 1 ? await v1Io(directory) : await v2Io(directory);
  if (byDevice === undefined) return undefined;
  const total: Counters = { ...NO_IO };
  const devices = [...byDevice].map(([number, counters]) => {
    const [major = 0, minor = 0] = number.split(':').map(Number);
    for (const key of Object.keys(NO_IO) as (keyof Counters)[]) total[key] += counters[key];
    return { major, minor, ...counters };
  });
  return { ...total, devices };
}

/** The throttling policy sees every device; bfq's numbers are for kernels where it counts nothing. */
const V1_POLICIES = ['blkio.throttle', 'blkio.bfq', 'blkio'];

async function v1Io({ dir }: CgroupDirectory): Promise<Map<string, Counters> | undefined> {
  let found: Map<string, Counters> | undefined;
  for (const policy of V1_POLICIES) {
    const [bytes, ops] = await Promise.all([
      recursive(dir, `${policy}.io_service_bytes`),
      recursive(dir, `${policy}.io_serviced`),
    ]);
    if (bytes === undefined && ops === undefined) continue;
    found = new Map<string, Counters>();
    addV1(found, bytes, 'readBytes', 'writeBytes');
    addV1(found, ops, 'readOps', 'writeOps');
    if (found.size > 0) break;
  }
  return found;
}

/** With the cgroups below it, where the kernel adds them up. */
async function recursive(dir: string, file: string): Promise<string | undefined> {
  return (await readIn(dir, `${file}_recursive`)) ?? readIn(dir, file);
}

function addV1(
  into: Map<string, Counters>,
  text: string | undefined,
  read: keyof Counters,
  write: keyof Counters,
): void {
  for (const [, number = '', kind, value] of (text ?? '').matchAll(
    /^(\d+:\d+) (Read|Write) (\d+)$/gm,
  )) {
    let counters = into.get(number);
    if (counters === undefined) into.set(number, (counters = { ...NO_IO }));
    counters[kind === 'Read' ? read : write] = Number(value);
  }
}

async function v2Io({ dir }: CgroupDirectory): Promise<Map<string, Counters> | undefined> {
  const text = await readIn(dir, 'io.stat');
  if (text === undefined) return undefined;
  const found = new Map<string, Counters>();
  for (const line of text.split('\n')) {
    // A device that was never used has its number and nothing else.
    const match = /^(\d+:\d+) (.*)$/.exec(line);
    if (match === null) continue;
    const values = new Map(
      (match[2] ?? '').split(' ').map((pair) => {
        const [key = '', value] = pair.split('=');
        return [key, Number(value)] as const;
      }),
    );
    found.set(match[1] ?? '', {
      readBytes: values.get('rbytes') ?? 0,
      writeBytes: values.get('wbytes') ?? 0,
      readOps: values.get('rios') ?? 0,
      writeOps: values.get('wios') ?? 0,
    });
  }
  return found;
}

async function networkStats(pid: number): Promise<Record<string, NetworkStats> | undefined> {
  let text: string;
  try {
    text = await readFile(`/proc/${pid}/net/dev`, 'utf8');
  } catch (error) {
    // A zombie has no namespaces any more: EINVAL.
    if (isGone(error) || isErrno(error, 'EINVAL')) return undefined;
    throw error;
  }
  return parseNetDev(text);
}

/** /proc/<pid>/net/dev. The container's root names its interfaces: `__proto__` is one name among others. */
export function parseNetDev(text: string): Record<string, NetworkStats> {
  const found: [string, NetworkStats][] = [];
  for (const line of text.split('\n').slice(2)) {
    const colon = line.lastIndexOf(':');
    if (colon === -1) continue;
    const n = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    if (!n.every((number) => number >= 0)) continue;
    const stats: NetworkStats = {
      rxBytes: n[0] ?? 0,
      rxPackets: n[1] ?? 0,
      rxErrors: n[2] ?? 0,
      rxDropped: n[3] ?? 0,
      txBytes: n[8] ?? 0,
      txPackets: n[9] ?? 0,
      txErrors: n[10] ?? 0,
      txDropped: n[11] ?? 0,
    };
    found.push([line.slice(0, colon).trim(), stats]);
  }
  return Object.fromEntries(found);
}

async function pressureStats(
  directories: readonly CgroupDirectory[],
): Promise<PressureStats | undefined> {
  const directory = directories.find(({ version }) => version === 2);
  if (directory === undefined) return undefined;
  const [cpu, memory, io] = await Promise.all(
    ['cpu', 'memory', 'io'].map(async (name) =>
      parsePressure(await readIn(directory.dir, `${name}.pressure`)),
    ),
  );
  return cpu === undefined && memory === undefined && io === undefined
    ? undefined
    : { cpu, memory, io };
}

/** Documentation/accounting/psi.rst */
function parsePressure(text: string | undefined): Pressure | undefined {
  const share = (kind: string): PressureShare | undefined => {
    const match = new RegExp(
      `^${kind} avg10=([\\d.]+) avg60=([\\d.]+) avg300=([\\d.]+) total=(\\d+)$`,
      'm',
    ).exec(text ?? '');
    if (match === null) return undefined;
    const [avg10 = 0, avg60 = 0, avg300 = 0, total = 0] = match.slice(1).map(Number);
    return { avg10, avg60, avg300, total };
  };
  const some = share('some');
  return some === undefined ? undefined : { some, full: share('full') };
}
