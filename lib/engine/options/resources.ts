/** Limits: Docker's rules for what may be asked, checked before a cgroup is touched. */
import {
  boolean,
  conflicting,
  invalid,
  isRecordOrList,
  plainString,
  stringList,
  wholeNumber,
} from '../../base/check.js';
import { checkList, parseList } from '../../base/cpu-list.js';
import type { DeviceRate, ResourceOptions } from './options.js';
import { type PathRate, parseCpus, parseRate, parseSize, type Size } from '../../base/units.js';

/**
 * Bytes. Docker refuses memory limits below 6 MiB because runc's own set-up is charged to the container.
 * caisson's set-up is small enough for 4 MiB; below that not even exec has the pages that it needs.
 */
export const MINIMUM_MEMORY = 4 * 2 ** 20;

/**
 * Processes and threads of a container that asks for no limit, as with podman: one that forks without end takes all
 * pids of the machine otherwise.
 */
export const DEFAULT_PIDS_LIMIT = 2048;

/** Docker's period for `--cpus`, in microseconds. */
const CPUS_PERIOD = 100_000;

/** What the machine has, as far as limits are concerned. */
export interface HostResources {
  /** Online processors, in list format: `0-3`. */
  readonly cpus: string;
  /** Memory nodes with memory, in list format. */
  readonly mems: string;
  /**
   * Memory and swap can be limited together. Then a memory limit without `memorySwap` gets twice itself, as
   * Docker's does; else swap stays as the kernel has it.
   */
  readonly swapLimit?: boolean | undefined;
}

/** Checked limits; what is missing was not asked for. */
export interface Resources {
  /** Bytes. */
  readonly memory?: number;
  readonly memoryReservation?: number;
  /** Memory and swap together; -1: no limit. */
  readonly memorySwap?: number;
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
  readonly cpuShares?: number;
  /** Microseconds of each period. */
  readonly cpuQuota?: number;
  readonly cpuPeriod?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  /** -1: no limit, which has to be asked for. */
  readonly pidsLimit?: number;
  readonly blkioWeight?: number;
  readonly throttles?: readonly Throttle[];
  /** Files of cgroup v2: the runtime spec's `unified`. */
  readonly cgroupConf?: Readonly<Record<string, string>>;
}

export type ThrottleKind = 'readBps' | 'writeBps' | 'readIops' | 'writeIops';

export interface Throttle extends PathRate {
  readonly kind: ThrottleKind;
}

type Draft = { -readonly [K in keyof Resources]: Resources[K] };

const NO_RESOURCES: Resources = Object.freeze({});

export function normalizeResources(options: ResourceOptions, host: HostResources): Resources {
  const draft: Draft = {};
  memoryLimits(options, host, draft);
  cpuLimits(options, host, draft);
  const { pidsLimit, blkioWeight } = options;
  if (pidsLimit !== undefined) {
    const limit = wholeNumber('pidsLimit', pidsLimit, -1, 4_194_304);
    draft.pidsLimit = limit > 0 ? limit : -1;
  }
  if (blkioWeight !== undefined) {
    const weight = wholeNumber('blkioWeight', blkioWeight, 0, 1000);
    if (weight !== 0 && weight < 10)
      throw invalid('blkioWeight', blkioWeight, 'is out of range: 10 to 1000');
    if (weight !== 0) draft.blkioWeight = weight;
  }
  const throttles: Throttle[] = [];
  addThrottles('deviceReadBps', 'readBps', options.deviceReadBps, throttles);
  addThrottles('deviceWriteBps', 'writeBps', options.deviceWriteBps, throttles);
  addThrottles('deviceReadIops', 'readIops', options.deviceReadIops, throttles);
  addThrottles('deviceWriteIops', 'writeIops', options.deviceWriteIops, throttles);
  if (throttles.length > 0) draft.throttles = throttles;
  const files = cgroupFiles(options.cgroupConf);
  if (files !== undefined) draft.cgroupConf = files;
  for (const _ in draft) return draft;
  return NO_RESOURCES;
}

function memorySize(option: string, value: Size): number {
  const size = parseSize(option, value);
  if (size !== 0 && size < MINIMUM_MEMORY)
    throw invalid(option, value, 'is below the minimum of 4m');
  return size;
}

function memoryLimits(options: ResourceOptions, host: HostResources, draft: Draft): void {
  const memory = options.memory === undefined ? 0 : memorySize('memory', options.memory);
  if (memory > 0) draft.memory = memory;

  if (options.memoryReservation !== undefined) {
    const reservation = memorySize('memoryReservation', options.memoryReservation);
    if (memory > 0 && reservation > memory) {
      throw conflicting(
        'memoryReservation',
        `${reservation} bytes are more than the memory limit of ${memory}`,
      );
    }
    if (reservation > 0) draft.memoryReservation = reservation;
  }

  const asked = options.memorySwap;
  const swap =
    asked === undefined ? 0 : asked === -1 || asked === '-1' ? -1 : parseSize('memorySwap', asked);
  if (swap !== 0 && memory === 0) {
    throw conflicting(
      'memorySwap',
      'needs a memory limit beside it',
      'memorySwap is memory and swap together',
    );
  }
  if (swap > 0 && swap < memory) {
    throw conflicting(
      'memorySwap',
      `${swap} bytes are less than the memory limit of ${memory}`,
      'memorySwap is memory and swap together',
    );
  }
  if (swap !== 0) draft.memorySwap = swap;
  else if (memory > 0 && host.swapLimit === true) draft.memorySwap = memory * 2;

  if (options.memorySwappiness !== undefined) {
    const swappiness = wholeNumber('memorySwappiness', options.memorySwappiness, -1, 100);
    if (swappiness >= 0) draft.memorySwappiness = swappiness;
  }
  if (options.oomKillDisable !== undefined && boolean('oomKillDisable', options.oomKillDisable)) {
    draft.oomKillDisable = true;
  }
}

function cpuLimits(options: ResourceOptions, host: HostResources, draft: Draft): void {
  if (options.cpuShares !== undefined) {
    const shares = wholeNumber('cpuShares', options.cpuShares, 0, 262_144);
    if (shares === 1) throw invalid('cpuShares', options.cpuShares, 'is out of range: 2 to 262144');
    if (shares > 0) draft.cpuShares = shares;
  }

  const nano = options.cpus === undefined ? 0 : parseCpus('cpus', options.cpus);
  const period =
    options.cpuPeriod === undefined ? 0 : wholeNumber('cpuPeriod', options.cpuPeriod, 0, 1_000_000);
  if (period > 0 && period < 1000)
    throw invalid('cpuPeriod', options.cpuPeriod, 'is out of range: 1000 to 1000000');
  const quota =
    options.cpuQuota === undefined
      ? 0
      : wholeNumber('cpuQuota', options.cpuQuota, -1, Number.MAX_SAFE_INTEGER);
  if (quota > 0 && quota < 1000)
    throw invalid('cpuQuota', options.cpuQuota, 'is below the minimum of 1000');
  if (nano > 0) {
    if (period > 0 || quota !== 0) throw conflicting('cpus', 'excludes cpuPeriod and cpuQuota');
    const count = parseList(host.cpus)?.size ?? 1;
    if (nano < 10_000_000 || nano > count * 1e9) {
      throw invalid(
        'cpus',
        options.cpus,
        `is out of range: 0.01 to ${count}, the processors that this machine has`,
      );
    }
    draft.cpuPeriod = CPUS_PERIOD;
    draft.cpuQuota = Math.trunc((nano / 1e9) * CPUS_PERIOD + 1e-6);
  }
  if (period > 0) draft.cpuPeriod = period;
  if (quota > 0) draft.cpuQuota = quota;

  if (options.cpusetCpus !== undefined && options.cpusetCpus !== '') {
    draft.cpusetCpus = checkList('cpusetCpus', options.cpusetCpus, host.cpus);
  }
  if (options.cpusetMems !== undefined && options.cpusetMems !== '') {
    draft.cpusetMems = checkList('cpusetMems', options.cpusetMems, host.mems);
  }
}

/** Which files there are, and which of them are caisson's own, lib/cgroup knows. */
function cgroupFiles(
  value: ResourceOptions['cgroupConf'],
): Readonly<Record<string, string>> | undefined {
  if (value === undefined) return undefined;
  if (!isRecordOrList(value))
    throw invalid('cgroupConf', value, 'is neither a record nor an array');
  const pairs: readonly (readonly [string, unknown])[] = Array.isArray(value)
    ? stringList('cgroupConf', value).map((text) => {
        const [, file, content] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
        if (file === undefined) throw invalid('cgroupConf', text, 'is not FILE=value');
        return [file, content] as const;
      })
    : Object.entries(value);
  const files: Record<string, string> = {};
  for (const [file, content] of pairs) {
    if (typeof content !== 'string' && typeof content !== 'number')
      throw invalid('cgroupConf', { [file]: content }, 'is not a string or a number');
    files[plainString('cgroupConf', file)] = plainString('cgroupConf', String(content));
  }
  return pairs.length === 0 ? undefined : files;
}

function addThrottles(
  option: string,
  kind: ThrottleKind,
  rates: readonly DeviceRate[] | undefined,
  into: Throttle[],
): void {
  if (rates === undefined) return;
  if (!Array.isArray(rates)) throw invalid(option, rates, 'is not an array of rates');
  for (const rate of rates) {
    const parsed = parseRate(option, rate as DeviceRate, kind.endsWith('Bps') ? 'bps' : 'iops');
    into.push({ kind, ...parsed });
  }
}
