/** The bench's results, as a table and as JSON. */
import { BRIDGE, BRIDGE_POLICY, NETWORKS, NO_NETWORK } from './network.js';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import type { Summary } from './statistics.js';
import { repository } from './workspace.js';

export type Mode = 'backToBack' | 'spaced';

export interface Result {
  readonly name: string;
  readonly backToBack?: Summary | undefined;
  readonly spaced?: Summary | undefined;
}

export const FLOOR = 'floor (C)';
/** Of the part in which only the arguments and the environment differ from start to start. */
export const POOLS = 'jobs of pools';
export const COLD = 'run';
export const PARKED = 'a job of a pool';
export const COLD_PYTHON = 'run python3, to its first line';
export const WARM_PYTHON = 'a job of a python3 that waits, to its first line';

export const JOBS = 'run, with the same options';
/** By name; each is compared with the one before it. */
export const JOB_PAIRS = [
  { same: 'same job', other: 'other job' },
  { same: 'same job volume', other: 'other job volume' },
] as const;

export const CRUN = 'crun, seccomp as Docker';

/** What the project holds itself to: a ratio of two medians, or a time, and its limit. */
export interface Target {
  readonly text: string;
  readonly value: number;
  readonly limit: number;
  readonly met: boolean;
}

export function p50(results: readonly Result[], name: string, mode: Mode): number {
  return results.find((result) => result.name === name)?.[mode]?.p50Us ?? NaN;
}

export function caissonName(heapMib: number): string {
  return `caisson, heap ${size(heapMib)}`;
}
export function spawnName(heapMib: number): string {
  return `child_process.spawn, heap ${size(heapMib)}`;
}
function size(heapMib: number): string {
  return heapMib >= 1024 ? `${heapMib / 1024} GiB` : `${heapMib} MiB`;
}

export function targets(
  results: readonly Result[],
  kept: readonly DetachedResults[],
  heaps: readonly number[],
): Target[] {
  const [small = 50, large] = heaps;
  const caisson = p50(results, caissonName(small), 'backToBack');
  const found: Target[] = [];
  const target = (text: string, value: number, limit: number): void => {
    if (!Number.isNaN(value)) found.push({ text, value, limit, met: value <= limit });
  };
  target('caisson ÷ floor, back to back', caisson / p50(results, FLOOR, 'backToBack'), 1.6);
  target('caisson ÷ crun, back to back', caisson / p50(results, CRUN, 'backToBack'), 0.2);
  if (large !== undefined) {
    const heavy = p50(results, caissonName(large), 'backToBack');
    target(`heap ${size(large)} ÷ ${size(small)}`, heavy / caisson, 1.2);
  }
  const js = results.find((result) => result.name === caissonName(small))?.backToBack?.jsP50Us;
  // Every moment of the start in which the event loop did not wait: the sum of its turns, not the longest.
  target('JavaScript thread blocked, ms a start', (js ?? NaN) / 1e3, 0.2);
  const jobs = kept.find(({ title }) => title === JOBS)?.results ?? [];
  for (const { same, other } of JOB_PAIRS) {
    const ratio = p50(jobs, other, 'backToBack') / p50(jobs, same, 'backToBack');
    target(`${other} ÷ ${same}, back to back`, ratio, 1.05);
  }
  const networks = kept.find(({ title }) => title === NETWORKS)?.results ?? [];
  for (const way of ['backToBack', 'spaced'] as const) {
    const words = way === 'spaced' ? '100 ms apart' : 'back to back';
    const ratio = p50(networks, BRIDGE, way) / p50(networks, NO_NETWORK, way);
    target(`bridge ÷ no network, ${words}`, ratio, 1.5);
    const more = p50(networks, BRIDGE_POLICY, way) - p50(networks, BRIDGE, way);
    target(`a policy, ms a start, ${words}`, more / 1e3, 0.5);
  }
  const pools = kept.find(({ title }) => title === POOLS)?.results ?? [];
  const parked = p50(pools, PARKED, 'backToBack') / p50(pools, FLOOR, 'backToBack');
  target('a job of a pool ÷ floor, back to back', parked, 0.25);
  target('a job of a python3 that waits, ms', p50(pools, WARM_PYTHON, 'backToBack') / 1e3, 2);
  return found;
}

const ms = (us: number | undefined): string =>
  us === undefined || Number.isNaN(us)
    ? ''
    : (us / 1e3).toFixed(us < 100 ? 3 : us < 100_000 ? 2 : 0);
const ratio = (value: number): string =>
  Number.isFinite(value) ? value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) : '';

export function table(results: readonly Result[]): string {
  const floor = p50(results, FLOOR, 'backToBack');
  const floorSpaced = p50(results, FLOOR, 'spaced');
  const crun = p50(results, CRUN, 'backToBack');
  const rows: string[][] = [
    ['', 'back to back', '', '', '', '100 ms apart', '', '', 'JS thread', ''],
    ['ms', 'p50', 'p95', '÷ floor', '÷ crun', 'p50', 'p95', '÷ floor', 'busy', 'call'],
  ];
  for (const { name, backToBack, spaced } of results) {
    rows.push([
      name,
      ms(backToBack?.p50Us),
      ms(backToBack?.p95Us),
      ratio((backToBack?.p50Us ?? NaN) / floor),
      ratio((backToBack?.p50Us ?? NaN) / crun),
      ms(spaced?.p50Us),
      ms(spaced?.p95Us),
      ratio((spaced?.p50Us ?? NaN) / floorSpaced),
      ms(backToBack?.jsP50Us),
      ms(backToBack?.callP50Us),
    ]);
  }
  const { widths, pad } = columns(rows.slice(1));
  const head = rows[0] ?? [];
  // The upper line's words span the columns below them.
  const [a, b, c, d, e, f, g, h, i, j] = widths;
  const span = (...parts: (number | undefined)[]): number =>
    parts.reduce<number>((sum, part) => sum + (part ?? 0) + 2, -2);
  const top = [
    ''.padEnd(a ?? 0),
    (head[1] ?? '').padStart(span(b, c, d, e)),
    (head[5] ?? '').padStart(span(f, g, h)),
    (head[8] ?? '').padStart(span(i, j)),
  ].join('  ');
  return [top, ...rows.slice(1).map(pad)].join('\n');
}

/** One that is not a container, and what the others are compared with where bytes are moved. */
export const SPAWN = 'child_process.spawn';
/** The same by a pipe, as containers have. */
export const SPAWN_PIPE = 'spawn, by a pipe';

/** Of one stream through which bytes are moved. */
export function streamTargets(streams: readonly DetachedResults[]): Target[] {
  return streams.flatMap(({ title, results }) => {
    const spawn = p50(results, SPAWN, 'backToBack');
    return results
      .filter(({ name }) => name !== SPAWN && name !== SPAWN_PIPE)
      .map(({ name }) => {
        const value = p50(results, name, 'backToBack') / spawn;
        return { text: `${title}, ${name} ÷ spawn`, value, limit: 1, met: value <= 1 };
      });
  });
}

export function streamTable(streams: readonly DetachedResults[]): string {
  const rows = streams.flatMap(({ title, results }) => [
    [`${title}, ms`, 'p50', 'p95', '÷ spawn', 'JS thread busy'],
    ...results.map(({ name, backToBack }) => [
      `  ${name}`,
      ...[ms(backToBack?.p50Us), ms(backToBack?.p95Us)],
      ratio((backToBack?.p50Us ?? NaN) / p50(results, SPAWN, 'backToBack')),
      ms(backToBack?.jsP50Us),
    ]),
  ]);
  const { pad } = columns(rows);
  return rows.map(pad).join('\n');
}

/** Of one kind of start of containers that are kept. */
export interface DetachedResults {
  readonly title: string;
  readonly results: readonly Result[];
}

/** The one whose median the others are divided by. */
export const BASE = 'crun';

export function detachedTable(kept: readonly DetachedResults[]): string {
  const rows: string[][] = [];
  for (const { title, results } of kept) {
    const of = (mode: Mode): number => p50(results, BASE, mode);
    rows.push([`${title}, ms`, 'p50', 'p95', '÷ crun', '100 ms apart', 'p95', '÷ crun']);
    for (const { name, backToBack, spaced } of results) {
      rows.push([
        `  ${name}`,
        ...[ms(backToBack?.p50Us), ms(backToBack?.p95Us)],
        ratio((backToBack?.p50Us ?? NaN) / of('backToBack')),
        ...[ms(spaced?.p50Us), ms(spaced?.p95Us)],
        ratio((spaced?.p50Us ?? NaN) / of('spaced')),
      ]);
    }
  }
  const { pad } = columns(rows);
  return rows.map(pad).join('\n');
}

export function columns(rows: readonly (readonly string[])[]): {
  widths: readonly number[];
  pad: (row: readonly string[]) => string;
} {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const pad = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ');
  return { widths, pad };
}

export async function save(
  results: readonly Result[],
  kept: readonly DetachedResults[],
  traffic: readonly object[],
  met: readonly Target[],
  options: object,
): Promise<string> {
  const manifest = JSON.parse(await readFile(`${repository}package.json`, 'utf8')) as {
    version: string;
  };
  const directory = `${repository}bench/results`;
  await mkdir(directory, { recursive: true });
  const file = `${directory}/latest.json`;
  const machine = {
    kernel: release(),
    cpus: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
  };
  const content = {
    date: new Date().toISOString(),
    version: manifest.version,
    machine,
    options,
    results,
    kept,
    traffic,
    targets: met,
  };
  await writeFile(file, `${JSON.stringify(content, undefined, 2)}\n`);
  return file;
}
