/** The processor time of a container. */
import { readFile } from 'node:fs/promises';
import { type CgroupDirectory, parseFlat, readIn } from '../../cgroup/cgroup-paths.js';
import { directoryWith, numberIn } from './cgroup-numbers.js';

/** Processor time of a container, in nanoseconds. */
export interface CpuStats {
  /** Of its processes, on all processors. */
  readonly usage: number;
  /** Of these, in programs. */
  readonly user: number;
  /** Of these, in the kernel. */
  readonly system: number;
  /** Of the machine: all processors' time since it was started, idle and not. */
  readonly systemUsage: number;
  /** Processors of the machine. */
  readonly onlineCpus: number;
  /** By `cpus`, or `cpuQuota`; zeros without such a limit. */
  readonly throttling: {
    /** Periods of `cpuPeriod` in which it has run. */
    readonly periods: number;
    /** Of these, how many it had to wait in. */
    readonly throttledPeriods: number;
    /** Nanoseconds that it had to wait. */
    readonly throttledTime: number;
  };
}

/** USER_HZ, which is 100 on every architecture that Node runs on. */
const TICK = 1e9 / 100;

export async function cpuStats(
  directories: readonly CgroupDirectory[],
): Promise<CpuStats | undefined> {
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
