/**
 * What is promised of detached containers, under load and under kill -9: `scripts/soak`. Each soak has directories
 * of its own and a limit of time, and is cleared away also after a failure or Ctrl-C.
 */
import { parseArgs } from 'node:util';
import { sleep } from '../support/outside.js';
import { slowness } from '../support/slowness.js';
import { imageKills } from './image-kills.js';
import { killedCallers } from './killed-callers.js';
import { networks } from './networks.js';
import { manyContainers } from './many-containers.js';
import { randomCommands } from './random-commands.js';
import { Ground, load } from './support/ground.js';

export interface Soak {
  readonly name: string;
  /** Seconds until it has failed: in full, and in short. */
  readonly limits: readonly [number, number];
  readonly run: (ground: Ground, short: boolean) => Promise<void>;
}

const SOAKS: readonly Soak[] = [
  { name: 'killed-callers', limits: [240, 60], run: killedCallers },
  { name: 'random-commands', limits: [400, 60], run: randomCommands },
  { name: 'networks', limits: [900, 90], run: networks },
  { name: 'image-kills', limits: [600, 90], run: imageKills },
  { name: 'many-containers', limits: [400, 60], run: manyContainers },
];

const usage = `usage: scripts/soak [options]
  --short       a tenth of everything, in less than a minute; no limits of time and memory are checked
  --only NAME   one of ${SOAKS.map(({ name }) => name).join(', ')}; may be repeated`;

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(usage);
  process.exit(0);
}
const chosen = SOAKS.filter(({ name }) => values.only?.includes(name) ?? true);
if (chosen.length === 0) {
  console.error(usage);
  process.exit(2);
}
if (process.getuid?.() !== 0) {
  console.error('soak: needs root, as containers do');
  process.exit(1);
}

/** How long one that has been told to end may take to notice it. */
const NOTICE = 20_000;

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => interrupted.abort(new Error(`interrupted by ${signal}`)));

async function soak({ name, limits, run }: Soak): Promise<boolean> {
  const seconds = limits[values.short ? 1 : 0] * slowness;
  const limit = new AbortController();
  const timer = setTimeout(
    () => limit.abort(new Error(`not at its end after ${seconds} s`)),
    seconds * 1000,
  );
  const signal = AbortSignal.any([interrupted.signal, limit.signal]);
  const say = (text: string): void => console.log(`  ${text}`);
  const began = performance.now();
  console.log(`${name} (${load()})`);
  const ground = await Ground.open(signal, say);
  let work: Promise<void> | undefined;
  try {
    work = run(ground, values.short);
    await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      }),
    ]);
    return true;
  } catch (error) {
    console.error(`✘ ${name}: ${error instanceof Error ? error.stack : String(error)}`);
    return false;
  } finally {
    clearTimeout(timer);
    if (!signal.aborted) limit.abort(new Error('over'));
    // At most so long.
    await Promise.race([work?.catch(() => undefined), sleep(NOTICE)]);
    await ground.clear();
    const took = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`  ${took} s, ${load()}`);
  }
}

let failed = 0;
for (const one of chosen) {
  if (interrupted.signal.aborted) break;
  if (!(await soak(one))) failed++;
}
process.exit(failed > 0 || interrupted.signal.aborted ? 1 : 0);
