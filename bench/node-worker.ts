/**
 * Runs inside a Node process with a heap of a given size, and starts programs from there: containers by caisson,
 * plain processes by `child_process.spawn`. `node node-worker.js HEAP_MIB DIRECTORY ROOT`, then lines
 * "caisson|spawn|exec|detached COUNT SPACING_MS" on stdin.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Container } from '../lib/engine/container.js';
import { Engine, rootfs } from '../lib/index.js';
import type { Sample } from './contestant.js';

const [heapMib = '50', directory = '', root = ''] = process.argv.slice(2);

/**
 * Live, touched memory in the JavaScript heap: arrays of 32 KiB, because larger ones would lie in huge pages, which
 * a fork copies at no cost, and real heaps are made of small things.
 */
const ballast: number[][] = [];
while (ballast.length < (Number(heapMib) - 8) * 32) {
  ballast.push(new Array<number>(4096).fill(ballast.length + 0.5));
}

interface Starter extends AsyncDisposable {
  readonly start: () => Promise<number | null>;
  /** After each start, and not timed. */
  readonly after?: () => Promise<void>;
}

const spawner: Starter = {
  start: async () => {
    const child = spawn(`${root}/true`, { stdio: ['ignore', 'pipe', 'pipe'] });
    const [code] = (await once(child, 'close')) as [number | null];
    return code;
  },
  [Symbol.asyncDispose]: async () => {
    await Promise.resolve();
  },
};

const LIMITS = { memory: '64m', cpuShares: 512 };

function openEngine(): Promise<Engine> {
  return Engine.open({
    dataRoot: `${directory}/data-${heapMib}`,
    runRoot: `${directory}/run-${heapMib}`,
  });
}

async function openCaisson(): Promise<Starter> {
  const engine = await openEngine();
  return {
    start: async () => (await engine.run(rootfs(root), ['/true'], LIMITS)).exitCode,
    [Symbol.asyncDispose]: async () => {
      await engine[Symbol.asyncDispose]();
    },
  };
}

/** A further program in a container that is kept. */
async function openExec(): Promise<Starter> {
  const engine = await openEngine();
  const container = await engine.create(rootfs(root), ['sleep', '100000'], LIMITS);
  await container.start();
  return {
    start: async () => (await container.exec(['/true'])).exitCode,
    [Symbol.asyncDispose]: async () => {
      await container.remove({ force: true });
      await engine[Symbol.asyncDispose]();
    },
  };
}

/** A container that is kept, until its program runs. */
async function openDetached(): Promise<Starter> {
  const engine = await openEngine();
  let last: Container | undefined;
  return {
    start: async () => {
      last = await engine.create(rootfs(root), ['sleep', '100000'], LIMITS);
      await last.start();
      return 0;
    },
    after: async () => {
      await last?.remove({ force: true });
    },
    [Symbol.asyncDispose]: async () => {
      await engine[Symbol.asyncDispose]();
    },
  };
}

async function time(starter: Starter): Promise<Sample> {
  const before = performance.eventLoopUtilization();
  const begin = performance.now();
  const pending = starter.start();
  const called = performance.now();
  const code = await pending;
  const end = performance.now();
  const busy = performance.eventLoopUtilization(before).active;
  await starter.after?.();
  if (code !== 0) throw new Error(`/true ended with ${code}`);
  return { us: (end - begin) * 1e3, jsUs: busy * 1e3, callUs: (called - begin) * 1e3 };
}

// A constant of a module that nobody reads again is garbage.
Object.assign(globalThis, { ballast });

const openers: Readonly<Record<string, () => Promise<Starter>>> = {
  caisson: openCaisson,
  exec: openExec,
  detached: openDetached,
};
const starters = new Map<string, Starter>([['spawn', spawner]]);
for await (const line of createInterface({ input: process.stdin })) {
  const [what = '', count, spacing] = line.split(' ');
  let starter = starters.get(what);
  if (starter === undefined) {
    const open = openers[what];
    if (open === undefined) throw new Error(`what is ${what}?`);
    starter = await open();
    starters.set(what, starter);
  }
  for (let i = 0; i < Number(count); i++) {
    if (Number(spacing) > 0) await sleep(Number(spacing));
    console.log(JSON.stringify(await time(starter)));
  }
  console.log('{"done":true}');
}
for (const starter of starters.values()) await starter[Symbol.asyncDispose]();
