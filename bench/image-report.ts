/** What was measured of images, as tables, and the limits for it. */
import { columns, FLOOR, p50, type Result, type Target } from './report.js';

export const CAISSON_COMMAND = 'caisson pull (command)';
export const CAISSON_LIBRARY = 'caisson (library)';
/** GNU tar, and gzip: of layers that are there, each into a directory of its own, without digests. */
export const TAR = 'tar -x, no download';

/** Of a tool that pulls. */
export interface PullResult extends Result {
  /** Of all its processes, where a daemon does not do the work. */
  readonly peakBytes?: number | undefined;
}

/** Of an image. */
export interface PullResults {
  readonly title: string;
  readonly results: readonly PullResult[];
}

/** A start compared with another one that was measured beside it. */
export interface StartResult extends Result {
  /** The other one's name. */
  readonly base?: string | undefined;
  /** The median of the differences to it. */
  readonly moreUs?: number | undefined;
  /** Of the image. */
  readonly layers?: number | undefined;
}

export interface ImageResults {
  readonly pulls: readonly PullResults[];
  readonly starts: readonly StartResult[];
}

/** The faster one of the others. */
function bestOf(results: readonly PullResult[]): number {
  const others = results.filter(
    ({ name }) => name !== CAISSON_COMMAND && name !== CAISSON_LIBRARY && name !== TAR,
  );
  const times = others.map(({ name }) => p50(results, name, 'backToBack')).filter((us) => us > 0);
  return times.length === 0 ? NaN : Math.min(...times);
}

const MIB = 2 ** 20;
/** Of pulls, to the best of the others. */
const RATIO = 0.67;
const MEMORY = 150;
/** Microseconds more. */
const LAYER = 10;
const VOLUME = 300;

export function imageTargets({ pulls, starts }: ImageResults): Target[] {
  const found: Target[] = [];
  const target = (text: string, value: number, limit: number): void => {
    if (Number.isFinite(value)) found.push({ text, value, limit, met: value <= limit });
  };
  for (const { title, results } of pulls) {
    for (const name of [CAISSON_COMMAND, CAISSON_LIBRARY])
      target(
        `${title}, ${name} ÷ the best of the others`,
        p50(results, name, 'backToBack') / bestOf(results),
        RATIO,
      );
    const { peakBytes = NaN } = results.find(({ name }) => name === CAISSON_COMMAND) ?? {};
    target(`${title}, MiB of all processes at their peaks`, peakBytes / MIB, MEMORY);
  }
  for (const { name, moreUs = NaN, layers } of starts) {
    if (layers === undefined) target(`${name}, ms more`, moreUs / 1e3, VOLUME / 1e3);
    else target(`${name}, µs more for each layer`, moreUs / layers, LAYER);
  }
  return found;
}

const ms = (us: number | undefined): string =>
  us === undefined || Number.isNaN(us) ? '' : (us / 1e3).toFixed(us < 100_000 ? 2 : 0);
const ratio = (value: number): string => (Number.isFinite(value) ? value.toFixed(2) : '');

export function imageTable({ pulls, starts }: ImageResults): string {
  const rows: string[][] = [];
  for (const { title, results } of pulls) {
    const [best, tar] = [bestOf(results), p50(results, TAR, 'backToBack')];
    rows.push([`${title}, ms`, 'p50', 'min', 'p95', '÷ tar -x', '÷ best other', 'peak MiB']);
    for (const { name, backToBack, peakBytes } of results) {
      const own = backToBack?.p50Us ?? NaN;
      rows.push([
        `  ${name}`,
        ...[ms(own), ms(backToBack?.minUs), ms(backToBack?.p95Us)],
        ...[ratio(own / tar), ratio(own / best)],
        peakBytes === undefined ? '' : (peakBytes / MIB).toFixed(0),
      ]);
    }
  }
  const floor = p50(starts, FLOOR, 'backToBack');
  rows.push(['starts, in turn, ms', 'p50', 'min', 'p95', '÷ floor', 'µs more', 'µs a layer']);
  for (const { name, backToBack, moreUs = NaN, layers = NaN } of starts)
    rows.push([
      `  ${name}`,
      ...[ms(backToBack?.p50Us), ms(backToBack?.minUs), ms(backToBack?.p95Us)],
      ratio((backToBack?.p50Us ?? NaN) / floor),
      Number.isNaN(moreUs) ? '' : moreUs.toFixed(0),
      Number.isNaN(moreUs / layers) ? '' : (moreUs / layers).toFixed(1),
    ]);
  const widest = [...rows].sort((a, b) => b.length - a.length);
  return rows.map(columns([...widest.slice(0, 1), ...rows]).pad).join('\n');
}
