/**
 * How fast a container's output gets into its log: a million lines from `seq`, from the start to the end that the
 * supervisor tells, with and without a log. `node dist/bench/logging.js [rounds] [library …]`: builds of the library
 * (a path to lib/index.js each) are measured in turn, as machines differ from minute to minute.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Library from '../lib/index.js';
import { percentile } from './statistics.js';

const LINES = 1_000_000;

const [rounds = '5', ...paths] = process.argv.slice(2);
const libraries = paths.length === 0 ? [join(import.meta.dirname, '../lib/index.js')] : paths;

async function once({ Engine }: typeof Library, logDriver: 'json-file' | 'none'): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'caisson-bench-'));
  try {
    await using engine = await Engine.open({
      dataRoot: join(directory, 'data'),
      runRoot: join(directory, 'run'),
    });
    await using container = await engine.create('host', ['seq', String(LINES)], {
      logDriver,
      network: 'none',
    });
    const began = performance.now();
    await container.start();
    const { exitCode } = await container.wait();
    if (exitCode !== 0) throw new Error(`seq ended with ${exitCode}`);
    return performance.now() - began;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const times = new Map<string, number[]>();
for (let round = 0; round < Number(rounds); round++) {
  for (const path of libraries) {
    const library = (await import(pathToFileURL(resolve(path)).href)) as typeof Library;
    for (const driver of ['json-file', 'none'] as const) {
      const name = `${path} ${driver}`;
      times.set(name, [...(times.get(name) ?? []), await once(library, driver)]);
    }
  }
}
for (const [name, all] of times) {
  const middle = percentile(all, 0.5);
  const speed = LINES / (middle / 1000) / 1e6;
  console.log(`${name}: ${middle.toFixed(0)} ms, ${speed.toFixed(2)} million lines a second`);
}
