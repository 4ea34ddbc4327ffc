/** Other limits for a container that runs: which files to write, in which order, and back when one refuses. */
import { constants } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { type CgroupHierarchy, type CgroupLayout, makeLayout } from '../../cgroup/layout.js';
import { planCgroups } from '../../cgroup/limits/plan.js';
import type { CgroupPlan } from '../../cgroup/writes.js';
import {
  type CgroupLocation,
  cgroupPath,
  isGone,
  parseFlat,
  readIn,
} from '../../cgroup/cgroup-paths.js';
import { enableControllers } from '../../cgroup/enable-controllers.js';
import { weightProperties } from '../../cgroup/systemd/systemd.js';
import { withSystemd } from '../../cgroup/systemd/with-systemd.js';
import { CaissonError } from '../../base/errors.js';
import { accountsSwap } from '../../cgroup/limits/swap.js';
import { conflicting, invalid, isRecord, show, unsupported } from '../../base/check.js';
import type { ResourceOptions, RunOptions } from '../options/options.js';
import {
  DEFAULT_PIDS_LIMIT,
  normalizeResources,
  type HostResources,
} from '../options/resources.js';
import { NO_SOURCES } from '../spec/sources.js';
import { limitsOf } from '../spec/to-spec.js';
import { parseSize } from '../../base/units.js';

/**
 * What Docker's `update` can change of a container; the restart policy is the supervisor's. 0, and -1 where that is
 * "no limit", take a limit away; what is missing stays.
 */
export type ResourceChange = Pick<
  ResourceOptions,
  | 'blkioWeight'
  | 'cpuPeriod'
  | 'cpuQuota'
  | 'cpuShares'
  | 'cpus'
  | 'cpusetCpus'
  | 'cpusetMems'
  | 'memory'
  | 'memoryReservation'
  | 'memorySwap'
  | 'pidsLimit'
>;

const CHANGEABLE: Readonly<Record<keyof ResourceChange, true>> = {
  blkioWeight: true,
  cpuPeriod: true,
  cpuQuota: true,
  cpuShares: true,
  cpus: true,
  cpusetCpus: true,
  cpusetMems: true,
  memory: true,
  memoryReservation: true,
  memorySwap: true,
  pidsLimit: true,
};

/** What an engine knows of its machine. */
export interface UpdateContext {
  readonly layout: CgroupLayout;
  readonly host: HostResources;
  /** Of this container's cgroups. */
  readonly location?: CgroupLocation | undefined;
}

/** One file of a container's cgroup. */
export interface CgroupFileWrite {
  readonly dir: string;
  readonly file: string;
  readonly value: string;
}

/**
 * Changes the limits of a running container. All of them, or none.
 *
 * @param id long id
 * @param current the options that its limits come from.
 * @param note told of what has been written, and of what would put it back.
 * @returns the options with the change in them, for its next start.
 * @throws ERR_INVALID_OPTION, ERR_CONFLICTING_OPTIONS, ERR_UNSUPPORTED_OPTION, ERR_CGROUP_CONTROLLER_MISSING
 *   before anything was touched; ERR_UPDATE_FAILED when the kernel refused, and all is as it was.
 */
export async function updateResources(
  context: UpdateContext,
  id: string,
  current: RunOptions,
  change: ResourceChange,
  note: (writes: readonly CgroupFileWrite[], before: readonly CgroupFileWrite[]) => void = () =>
    undefined,
): Promise<RunOptions> {
  const options = mergeResources(current, change, context.layout);
  const planned = planUpdate(context, id, current, options);
  if (planned.writes.length === 0) return options;
  // v2 has a controller's files only where it was enabled, and it may not have been needed until now.
  const rollback: CgroupFileWrite[] = [];
  // Refused only where the controller cannot be had: then the limit's own file is missing.
  for (const { dir, value } of planned.enable)
    await enableControllers(dir, value).catch(() => undefined);
  const seen = { ...context, layout: await lookInto(context, id) };
  const { writes } = planUpdate(seen, id, current, options);
  for (const write of writes) await checkRoom(write);
  const ordered = await inOrder(writes);
  for (const write of ordered) {
    try {
      rollback.unshift({ ...write, value: await valueOf(write) });
      await put(write);
    } catch (cause) {
      await putBack(rollback);
      throw refused(write, cause);
    }
  }
  note(ordered, rollback);
  return options;
}

/** What files had before a change, the last one first. */
export async function putBack(before: readonly CgroupFileWrite[]): Promise<void> {
  for (const old of before) await put(old).catch(() => undefined);
}

/**
 * Gives the container's scope the weights that its cgroup was given.
 *
 * @throws ERR_SYSTEMD
 */
export async function weighScope(id: string, writes: readonly CgroupFileWrite[]): Promise<void> {
  if (weightProperties(writes).length === 0) return;
  await withSystemd((systemd) => systemd.weigh(id, writes));
}

/** Checked as a whole: a new limit may be at odds with an old one, also with one that was not given but implied. */
export function mergeResources(
  current: RunOptions,
  change: ResourceChange,
  layout: CgroupLayout,
): RunOptions {
  if (!isRecord(change)) throw invalid('change', change, 'is not an object');
  const options: Record<string, unknown> = { ...current };
  for (const [name, value] of Object.entries(change)) {
    if (!Object.hasOwn(CHANGEABLE, name))
      throw unsupported(name, value, 'cannot be changed while the container runs');
    if (value !== undefined) options[name] = value;
  }
  const together = impliedSwap(current);
  const memory = change.memory === undefined ? 0 : parseSize('memory', change.memory);
  if (together === undefined || memory === 0 || change.memorySwap !== undefined) return options;
  if (memory > together)
    throw conflicting(
      'memory',
      `${memory} bytes are more than the ${together} of memory and swap together`,
      'twice the memory limit that it was made with; give memorySwap at the same time',
    );
  // As Docker's, which writes it down when the container is made: it does not follow the memory limit.
  return accountsSwap(layout) ? { ...options, memorySwap: together } : options;
}

/** Bytes of memory and swap together that a memory limit alone allows; undefined where it is not alone, or not there. */
function impliedSwap({ memory, memorySwap }: RunOptions): number | undefined {
  if (memory === undefined || (memorySwap !== undefined && Number(memorySwap) !== 0))
    return undefined;
  const bytes = parseSize('memory', memory);
  return bytes === 0 ? undefined : 2 * bytes;
}

export interface UpdatePlan {
  /** v2: controllers for the parents. */
  readonly enable: readonly CgroupFileWrite[];
  readonly writes: readonly CgroupFileWrite[];
}

/** The difference between two sets of options, as writes. Pure. */
export function planUpdate(
  context: UpdateContext,
  id: string,
  current: RunOptions,
  options: RunOptions,
): UpdatePlan {
  const after = planFor(context, id, options);
  const before = planFor(context, id, current);
  const [to, from] = [filesOf(after), filesOf(before)];
  const writes: CgroupFileWrite[] = [];
  for (const [key, write] of to) if (from.get(key)?.value !== write.value) writes.push(write);
  for (const [key, write] of from) {
    if (to.has(key)) continue;
    const hierarchy = context.layout.hierarchies.find((h) => write.dir === dirIn(h, id, context));
    const value = unlimited(write, hierarchy);
    if (value !== write.value) writes.push({ ...write, value });
  }
  const enable = after.placements
    .filter(({ version }) => version === 2)
    .flatMap(({ base, baseWrites = [], parent = base, parentWrites }) => [
      ...baseWrites.map((write) => ({ dir: base, ...write })),
      ...parentWrites.map((write) => ({ dir: parent, ...write })),
    ]);
  return { enable, writes };
}

function dirIn(
  { mountPoint }: CgroupHierarchy,
  id: string,
  { location = {} }: UpdateContext,
): string {
  return `${mountPoint}${cgroupPath(id, location)}`;
}

function planFor(
  { layout, host, location }: UpdateContext,
  id: string,
  options: RunOptions,
): CgroupPlan {
  const changeable = Object.fromEntries(
    Object.keys(CHANGEABLE).map((name) => [name, options[name as keyof ResourceChange]]),
  );
  const resources = normalizeResources(changeable, host);
  return planCgroups(layout, id, limitsOf(resources, NO_SOURCES.throttles), {
    defaultPidsLimit: DEFAULT_PIDS_LIMIT,
    location,
  });
}

function filesOf({ placements }: CgroupPlan): Map<string, CgroupFileWrite> {
  const files = new Map<string, CgroupFileWrite>();
  for (const { dir, writes } of placements)
    for (const write of writes) files.set(`${dir}/${write.file}`, { dir, ...write });
  return files;
}

/** What a fresh cgroup has. */
function unlimited({ file }: CgroupFileWrite, hierarchy: CgroupHierarchy | undefined): string {
  switch (file) {
    case 'memory.limit_in_bytes':
    case 'memory.memsw.limit_in_bytes':
    case 'memory.soft_limit_in_bytes':
    case 'cpu.cfs_quota_us':
      return '-1';
    case 'cpu.cfs_period_us':
      return '100000';
    case 'cpu.shares':
      return '1024';
    case 'blkio.bfq.weight':
    case 'cpu.weight':
      return '100';
    case 'blkio.weight':
      return '500';
    case 'io.bfq.weight':
    case 'io.weight':
      return 'default 100';
    case 'memory.low':
      return '0';
    case 'cpu.max':
      return 'max 100000';
    case 'cpuset.cpus':
    case 'cpuset.mems':
      // Once there are processes in it, none at all is refused: ENOSPC, on v2 too.
      return (file === 'cpuset.cpus' ? hierarchy?.cpus : hierarchy?.mems) ?? '0';
    default:
      return 'max'; // memory.max, memory.swap.max, pids.max
  }
}

/**
 * Where v1 refuses a limit that what is in use does not fit into, v2 takes it and kills until it does. Only what
 * lives in swap or nowhere counts here; the rest is reclaimed.
 */
async function checkRoom(write: CgroupFileWrite): Promise<void> {
  const { dir, file, value } = write;
  if (file !== 'memory.max' || value === 'max') return;
  const [stat, meminfo] = await Promise.all([
    readIn(dir, 'memory.stat'),
    readFile('/proc/meminfo', 'utf8'),
  ]);
  const used = parseFlat(stat);
  const swap = Number(/^SwapFree:\s+(\d+) kB$/m.exec(meminfo)?.[1] ?? 0) * 1024;
  if ((used.get('anon') ?? 0) + (used.get('shmem') ?? 0) - swap > Number(value)) {
    throw refused(write, Object.assign(new Error('in use'), { code: 'EBUSY' }));
  }
}

/** The layout with the files that this container's own directories have: nothing has to be guessed. */
async function lookInto(context: UpdateContext, id: string): Promise<CgroupLayout> {
  const { layout } = context;
  const hierarchies = await Promise.all(
    layout.hierarchies.map(async (hierarchy): Promise<CgroupHierarchy> => {
      const dir = dirIn(hierarchy, id, context);
      const files = await readdir(dir).catch((error: unknown) => {
        if (isGone(error)) return undefined;
        throw error;
      });
      if (files === undefined) return hierarchy;
      return { ...hierarchy, childFiles: new Set(files), probed: new Set(hierarchy.controllers) };
    }),
  );
  return makeLayout(hierarchies, layout.disabled);
}

/**
 * v1 never lets memory and swap together be less than memory (Documentation/admin-guide/cgroup-v1/memory.rst):
 * of the two the sum goes first when it grows, and last when it shrinks.
 */
async function inOrder(writes: readonly CgroupFileWrite[]): Promise<CgroupFileWrite[]> {
  const ordered = [...writes];
  const limit = ordered.findIndex(({ file }) => file === 'memory.limit_in_bytes');
  const sum = ordered.findIndex(({ file }) => file === 'memory.memsw.limit_in_bytes');
  const [a, b] = [ordered[limit], ordered[sum]];
  if (a === undefined || b === undefined) return ordered;
  const now = BigInt((await readIn(b.dir, b.file))?.trim() ?? 0);
  const grows = b.value === '-1' || BigInt(b.value) > now;
  const [first, second] = grows ? [b, a] : [a, b];
  ordered[Math.min(limit, sum)] = first;
  ordered[Math.max(limit, sum)] = second;
  return ordered;
}

/** What the file has, in the form in which it takes it. */
async function valueOf({ dir, file }: CgroupFileWrite): Promise<string> {
  const text = await readIn(dir, file);
  if (text === undefined)
    throw Object.assign(new Error('no such file'), { code: 'ENOENT', syscall: 'open' });
  // Weights of devices have lines of their own below.
  const [first = ''] = text.split('\n', 1);
  // A cpuset of v2 that was never set cannot be made so again; what that stood for can.
  return first === '' ? ((await readIn(dir, `${file}.effective`))?.trim() ?? '') : first;
}

async function put({ dir, file, value }: CgroupFileWrite): Promise<void> {
  // Neither created nor cut off: there is no such thing in a cgroup.
  const handle = await open(`${dir}/${file}`, constants.O_WRONLY);
  try {
    await handle.write(value);
  } finally {
    await handle.close();
  }
}

function refused({ dir, file, value }: CgroupFileWrite, cause: unknown): CaissonError {
  const { code, syscall } = cause as NodeJS.ErrnoException;
  const path = `${dir}/${file}`;
  const why = isGone(cause) ? 'the container is gone' : (code ?? String(cause));
  return new CaissonError(
    'ERR_UPDATE_FAILED',
    `${file} cannot be set to ${show(value.trim())}: ${why}`,
    {
      path,
      syscall,
      errno: code,
      hint:
        code === 'EBUSY' && file.startsWith('memory.')
          ? 'the container uses more than that, and it cannot be reclaimed'
          : undefined,
      cause,
    },
  );
}
