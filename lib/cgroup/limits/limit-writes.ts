/**
 * The limits of the OCI runtime spec (config-linux.md, "Control groups") as cgroup file writes. What differs
 * between v1 and v2 is side by side here; the order within a function is the one that the kernel accepts in
 * a fresh cgroup. "No limit" (-1, or 0 where the spec and Docker take it so) is what a fresh cgroup has:
 * nothing is written for it, and no controller is needed.
 */
import { CaissonError } from '../../base/errors.js';
import type {
  LinuxCpu,
  LinuxDeviceCgroup,
  LinuxMemory,
  LinuxResources,
} from '../../oci/runtime-spec.js';
import { writeBlockIO } from './block-io.js';
import { checkCpuset } from './cpuset.js';
import { writeDevices } from './device-rules.js';
import { hasFile, type Sinks } from './sinks.js';
import { missingController } from './missing.js';
import { invalidOption, optionName } from './option-errors.js';

export interface LimitOptions {
  /**
   * What `memory.limit` without `memory.swap` means. `double` (the default, and Docker's): as much swap as
   * memory, where the kernel accounts swap, and no limit on swap elsewhere, as Docker does with a warning.
   * `unlimited`: swap is left alone, as OCI runtimes do. An explicit `memory.swap` is never dropped.
   */
  readonly defaultSwap?: 'double' | 'unlimited' | undefined;
  /**
   * `optional` leaves device rules out where nothing can enforce them: only for a container that something else keeps
   * from devices. Otherwise that is an error, which names this option. Default: `devices`.
   */
  readonly deviceRules?: string | undefined;
  /** The limit if none is requested and this machine can set one. */
  readonly defaultPidsLimit?: number | undefined;
}

/** Fills the sinks. Returns the device rules when they need a BPF program. */
export function writeLimits(
  sinks: Sinks,
  resources: LinuxResources,
  options: LimitOptions,
): readonly LinuxDeviceCgroup[] | undefined {
  const { cpu, memory, pids, blockIO } = resources;
  if (cpu !== undefined) writeCpu(sinks, cpu);
  if (memory !== undefined) writeMemory(sinks, memory, options);
  const pidsLimit =
    pids?.limit ?? (takesPids(sinks, options) ? options.defaultPidsLimit : undefined);
  if (pidsLimit !== undefined && pidsLimit > 0) {
    sinks.need('pids.limit', 'pids').put('pids.limit', 'pids', 'pids.max', pidsLimit);
  }
  if (blockIO !== undefined) writeBlockIO(sinks, blockIO);
  writeHugepages(sinks, resources);
  writeNetwork(sinks, resources);
  writeRdma(sinks, resources);
  const { deviceRules = 'devices' } = options;
  const neededFor = deviceRules === 'optional' ? undefined : deviceRules;
  const rules = writeDevices(sinks, resources.devices ?? [], neededFor);
  if (resources.unified !== undefined) writeUnified(sinks, resources.unified);
  return rules;
}

/** The default limit of processes can be set here. In a container the files of the outer cgroups may not show that. */
function takesPids(sinks: Sinks, { defaultPidsLimit }: LimitOptions): boolean {
  if (defaultPidsLimit === undefined || !sinks.has('pids')) return false;
  return sinks.need('pids.limit', 'pids').offers('pids.max');
}

/**
 * v2 weight of v1 shares: 2..262144 onto 1..10000, and the default of the one (1024) onto that of the other (100), as
 * runc since 1.3.2 and crun since 1.23 do it (opencontainers/cgroups). The linear
 * mapping before gave a container with 1024 shares a weight of 39.
 */
export function weightOfShares(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

function writeCpu(sinks: Sinks, cpu: LinuxCpu): void {
  if (set(cpu.realtimeRuntime) || set(cpu.realtimePeriod)) {
    // Real-time bandwidth has to be granted to every ancestor first, and is then unavailable to all other cgroups.
    throw unsupported('cpu.realtimeRuntime', 'real-time scheduling budgets are not supported');
  }
  if (set(cpu.shares)) {
    const sink = sinks.need('cpu.shares', 'cpu');
    if (sink.version === 1) sink.put('cpu.shares', 'cpu', 'cpu.shares', cpu.shares);
    else sink.put('cpu.shares', 'cpu', 'cpu.weight', weightOfShares(cpu.shares));
  }
  const quota = cpu.quota !== undefined && cpu.quota > 0 ? cpu.quota : undefined;
  if (quota !== undefined || set(cpu.period)) {
    const option = quota === undefined ? 'cpu.period' : 'cpu.quota';
    const sink = sinks.need(option, 'cpu');
    if (sink.version === 2) {
      sink.put(
        option,
        'cpu',
        'cpu.max',
        `${quota ?? 'max'} ${set(cpu.period) ? cpu.period : 100_000}`,
      );
    } else {
      if (set(cpu.period)) sink.put('cpu.period', 'cpu', 'cpu.cfs_period_us', cpu.period);
      if (quota !== undefined) sink.put('cpu.quota', 'cpu', 'cpu.cfs_quota_us', quota);
    }
  }
  if (set(cpu.burst)) {
    const sink = sinks.need('cpu.burst', 'cpu');
    const file = sink.version === 1 ? 'cpu.cfs_burst_us' : 'cpu.max.burst';
    sink.put('cpu.burst', 'cpu', file, cpu.burst);
  }
  // An idle cgroup refuses shares, so this comes after them.
  if (set(cpu.idle)) sinks.need('cpu.idle', 'cpu').put('cpu.idle', 'cpu', 'cpu.idle', cpu.idle);
  for (const kind of ['cpus', 'mems'] as const) {
    const list = cpu[kind];
    if (list === undefined || list === '') continue;
    const sink = sinks.need(`cpu.${kind}`, 'cpuset');
    checkCpuset(`cpu.${kind}`, list, sink.hierarchy[kind]);
    sink.put(`cpu.${kind}`, 'cpuset', `cpuset.${kind}`, list);
  }
}

function writeMemory(sinks: Sinks, memory: LinuxMemory, options: LimitOptions): void {
  const limit = bytes('memory.limit', memory.limit);
  const swap = bytes('memory.swap', memory.swap);
  const reservation = bytes('memory.reservation', memory.reservation);
  if (set(memory.kernel) && memory.kernel > 0) {
    throw unsupported('memory.kernel', 'the kernel gave up limits on kernel memory in Linux 5.16');
  }
  if (limit !== undefined) {
    const sink = sinks.need('memory.limit', 'memory');
    sink.put(
      'memory.limit',
      'memory',
      sink.version === 1 ? 'memory.limit_in_bytes' : 'memory.max',
      limit,
    );
  }
  if (swap !== undefined) {
    if (limit === undefined) {
      throw invalidOption('memory.swap', 'needs a memory limit', 'give --memory as well');
    }
    if (swap < limit) {
      throw invalidOption(
        'memory.swap',
        'is memory and swap together, and less than the memory limit',
      );
    }
  }
  writeSwap(sinks, limit, swap, memory.swap === undefined && options.defaultSwap !== 'unlimited');
  if (reservation !== undefined) {
    const sink = sinks.need('memory.reservation', 'memory');
    const file = sink.version === 1 ? 'memory.soft_limit_in_bytes' : 'memory.low';
    sink.put('memory.reservation', 'memory', file, reservation);
  }
  const onlyV1 = (option: string, file: string, value: number): void => {
    const sink = sinks.need(option, 'memory');
    if (sink.version === 2) throw notInV2(option, file);
    sink.put(option, 'memory', file, value);
  };
  if (set(memory.kernelTCP) && memory.kernelTCP > 0) {
    onlyV1('memory.kernelTCP', 'memory.kmem.tcp.limit_in_bytes', memory.kernelTCP);
  }
  // Docker's -1: unchanged.
  if (memory.swappiness !== undefined && memory.swappiness >= 0) {
    onlyV1('memory.swappiness', 'memory.swappiness', memory.swappiness);
  }
  if (memory.disableOOMKiller === true) {
    onlyV1('memory.disableOOMKiller', 'memory.oom_control', 1);
  }
}

/** v1 counts memory and swap together and refuses less than the limit; v2 counts swap alone. */
function writeSwap(
  sinks: Sinks,
  limit: number | undefined,
  swap: number | undefined,
  byDefault: boolean,
): void {
  if (limit === undefined || (swap === undefined && !byDefault)) return;
  const sink = sinks.need('memory.swap', 'memory');
  const file = sink.version === 1 ? 'memory.memsw.limit_in_bytes' : 'memory.swap.max';
  if (swap === undefined && !sink.offers(file)) return;
  const total = swap ?? 2 * limit;
  sink.put('memory.swap', 'memory', file, sink.version === 1 ? total : total - limit);
}

function writeHugepages(sinks: Sinks, resources: LinuxResources): void {
  for (const { pageSize, limit } of resources.hugepageLimits ?? []) {
    if (!/^[1-9][0-9]*[KMG]B$/.test(pageSize)) {
      throw invalidOption(
        'hugepageLimits',
        `page size ${JSON.stringify(pageSize)} is not like 2MB`,
      );
    }
    const sink = sinks.need('hugepageLimits', 'hugetlb');
    const end = sink.version === 1 ? 'limit_in_bytes' : 'max';
    sink.put('hugepageLimits', 'hugetlb', `hugetlb.${pageSize}.${end}`, limit);
    // Reservations are counted apart since Linux 5.7; without a limit they could take the whole pool.
    const reserved = `hugetlb.${pageSize}.rsvd.${end}`;
    if (hasFile(sink.hierarchy, reserved) === true) {
      sink.put('hugepageLimits', 'hugetlb', reserved, limit);
    }
  }
}

function writeNetwork(sinks: Sinks, { network }: LinuxResources): void {
  if (set(network?.classID)) {
    const sink = sinks.need('network.classID', 'net_cls');
    sink.put('network.classID', 'net_cls', 'net_cls.classid', network.classID);
  }
  for (const { name, priority } of network?.priorities ?? []) {
    if (!/^[^\s/]{1,15}$/.test(name)) {
      throw invalidOption('network.priorities', `${JSON.stringify(name)} is no interface name`);
    }
    const sink = sinks.need('network.priorities', 'net_prio');
    sink.put('network.priorities', 'net_prio', 'net_prio.ifpriomap', `${name} ${priority}`);
  }
}

function writeRdma(sinks: Sinks, { rdma }: LinuxResources): void {
  for (const [device, { hcaHandles, hcaObjects }] of Object.entries(rdma ?? {})) {
    if (!/^[\w.-]+$/.test(device)) {
      throw invalidOption('rdma', `${JSON.stringify(device)} is no device name`);
    }
    const limits =
      (hcaHandles === undefined ? '' : ` hca_handle=${hcaHandles}`) +
      (hcaObjects === undefined ? '' : ` hca_object=${hcaObjects}`);
    if (limits !== '') sinks.need('rdma', 'rdma').put('rdma', 'rdma', 'rdma.max', device + limits);
  }
}

/** Files of cgroup v2, written as they are. The core's own files would move or stop processes. */
function writeUnified(sinks: Sinks, unified: Readonly<Record<string, string>>): void {
  for (const [file, value] of Object.entries(unified)) {
    const option = `unified.${file}`;
    const controller = /^([a-z_]+)\.[A-Za-z0-9_.]+$/.exec(file)?.[1];
    if (controller === undefined || file.includes('..')) {
      throw invalidOption(option, 'is not the name of a cgroup v2 file');
    }
    if (value.includes('\0')) throw invalidOption(option, 'has a zero byte in its value');
    if (
      controller === 'cgroup' &&
      !/^cgroup\.(?:max\.(?:depth|descendants)|pressure)$/.test(file)
    ) {
      throw invalidOption(option, 'is written by caisson itself');
    }
    const hierarchy = sinks.layout.unified;
    const core = controller === 'cgroup';
    if (hierarchy === undefined || !(core || hierarchy.controllers.includes(controller))) {
      throw missingController(sinks.layout, option, core ? 'cgroup2' : controller);
    }
    const sink = sinks.of(hierarchy);
    if (!core) sink.needed.add(controller);
    for (const line of value.split('\n')) {
      if (line !== '') sink.put(option, controller, file, line);
    }
  }
}

/** Zero is how Docker's API and the spec's Go structures say "not set". */
function set(value: number | undefined): value is number {
  return value !== undefined && value !== 0;
}

/** A number of bytes; undefined for "no limit". */
function bytes(option: string, value: number | undefined): number | undefined {
  if (value === undefined || value === 0 || value === -1) return undefined;
  if (!Number.isSafeInteger(value) || value < 0) {
    throw invalidOption(option, `${value} is not a number of bytes`);
  }
  return value;
}

function unsupported(option: string, why: string): CaissonError {
  return new CaissonError('ERR_UNSUPPORTED_OPTION', `${optionName(option)}: ${why}`, {
    stage: 'config',
    path: option,
  });
}

function notInV2(option: string, file: string): CaissonError {
  return new CaissonError(
    'ERR_CGROUP_CONTROLLER_MISSING',
    `${optionName(option)} needs the controller memory of cgroup v1 (${file}); this machine has it in v2`,
    { stage: 'config', path: option, hint: 'cgroup v2 has no such limit' },
  );
}
