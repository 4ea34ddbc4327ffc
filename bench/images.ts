/**
 * Images: how long a pull takes, with all layers unpacked, and how much memory; what layers cost a start, and what a volume does.
 * All of it with one registry, on a loopback address.
 */
import { fileURLToPath } from 'node:url';
import type { Contestant, Sample } from './contestant.js';
import { Pulls } from './image-pulls.js';
import { BenchRegistry, makeImage } from './image-registry.js';
import type { ImageResults, PullResults, StartResult } from './image-report.js';
import { LineProcess } from './line-process.js';
import { percentile, summarize } from './statistics.js';
import type { Workspace } from './workspace.js';

export interface ImageOptions {
  readonly only: RegExp;
  /** Of pulls of the large image; of small ones there are twice as many. */
  readonly rounds: number;
  /** Of starts, each with one of every kind. */
  readonly starts: number;
  /** MiB of a layer whose pull shows how much memory is used. */
  readonly layer: number;
}

/** Milliseconds: no round begins later than so long after the first one. */
const LONGEST = { starts: 40_000, big: 120_000, forty: 60_000 };
const LAYERS = [1, 10, 40] as const;
const BASE = 'run, a root directory';

export async function raceImages(
  workspace: Workspace,
  floor: Contestant,
  { only, rounds, starts, layer }: ImageOptions,
): Promise<ImageResults> {
  const images = [await makeImage('big'), await makeImage('forty')];
  await using registry = await BenchRegistry.start(workspace);
  const script = fileURLToPath(new URL('image-worker.js', import.meta.url));
  await using worker = new LineProcess(process.execPath, [
    ...[script, workspace.directory, workspace.root, registry.host],
  ]);
  // Before the pulls, which leave much to be written.
  const started = await raceStarts(registry, worker, workspace, floor, { only, starts });
  await using pulling = await Pulls.open(workspace, registry, worker);
  const pulls: PullResults[] = [];
  for (const image of images) {
    const isBig = image.name === 'big';
    const results = await pulling.race(image, {
      rounds: isBig ? rounds : 2 * rounds,
      only,
      longest: isBig ? LONGEST.big : LONGEST.forty,
    });
    const title = isBig ? 'pull of 300 MB' : 'pull of 40 layers';
    if (results.length > 0) pulls.push({ title, results });
  }
  if (layer > 0 && only.test('memory')) {
    const results = [await pulling.memoryOf(await registry.pushLarge(layer))];
    pulls.push({ title: `pull of a layer of ${layer} MiB`, results });
  }
  return { pulls, starts: started };
}

/** One of each in turn, so that differences are between neighbours. */
async function raceStarts(
  registry: BenchRegistry,
  worker: LineProcess,
  { root }: Workspace,
  floor: Contestant,
  { only, starts }: Pick<ImageOptions, 'only' | 'starts'>,
): Promise<StartResult[]> {
  const start = async (what: string) => (await worker.ask<Sample>(`${what} 1 0`))[0];
  const base = { name: BASE, start: () => start('rootfs') };
  const others: { name: string; layers?: number; start: () => Promise<Sample | undefined> }[] = [];
  for (const layers of LAYERS) {
    const name = `run, an image of ${layers} layer${layers === 1 ? '' : 's'}`;
    if (!only.test(name)) continue;
    const image = await registry.pushLayers(root, layers);
    others.push({ name, layers, start: () => start(`image:${image}`) });
  }
  for (const [name, what] of [
    ['run, a named volume', 'volume:named'],
    ['run, a bind', 'volume:bind'],
    ['run, a read-only bind', 'volume:read-only'],
  ] as const)
    if (only.test(name)) others.push({ name, start: () => start(what) });
  if (others.length === 0) return [];

  const taken = new Map<string, number[]>();
  const floorTimes: number[] = [];
  const WARM_UP = 10;
  const began = performance.now();
  for (let round = -WARM_UP; round < starts; round++) {
    if (round > WARM_UP && performance.now() - began > LONGEST.starts) break;
    const [of] = await floor.run(1, 0);
    const at = (round + WARM_UP) % (others.length + 1);
    const all = [base, ...others];
    const turn = [...all.slice(at), ...all.slice(0, at)];
    for (const { name, start: once } of turn) {
      const sample = await once();
      if (round >= 0) taken.set(name, [...(taken.get(name) ?? []), sample?.us ?? NaN]);
    }
    if (round >= 0) floorTimes.push(of?.us ?? NaN);
  }
  const summary = (times: readonly number[]) => summarize(times.map((us) => ({ us })));
  const baseTimes = taken.get(BASE) ?? [];
  return [
    { name: floor.name, backToBack: summary(floorTimes) },
    { name: BASE, backToBack: summary(baseTimes) },
    ...others.map(({ name, layers }): StartResult => {
      const times = taken.get(name) ?? [];
      const more = times.map((us, round) => us - (baseTimes[round] ?? NaN));
      return {
        name,
        layers,
        base: BASE,
        backToBack: summary(times),
        moreUs: percentile(more, 0.5),
      };
    }),
  ];
}
