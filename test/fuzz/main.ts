/** The fuzzers in TypeScript, one after the other: `scripts/fuzz` starts this, and says what the options mean. */
import { parseArgs } from 'node:util';

import { Mutator, Random } from './mutator.js';
import type { Target } from './target.js';
import { TARGETS } from './targets.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string' },
    executions: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    list: { type: 'boolean', default: false },
    input: { type: 'string' },
  },
});

/** Between two looks at the clock. */
const BATCH = 256;

async function attempt(target: Target, bytes: Buffer): Promise<boolean> {
  try {
    const running = target.run(Buffer.from(bytes));
    if (running !== undefined) await running;
    return true;
  } catch (error) {
    console.error(error);
    console.error(
      `fuzz: ${target.name} failed; again: node dist/test/fuzz/main.js ${target.name} --input ${bytes.toString('base64')}`,
    );
    return false;
  }
}

async function fuzz(target: Target): Promise<boolean> {
  const mutator = new Mutator(new Random(Number(values.seed)), target.seeds, target.words);
  const limit = values.executions === undefined ? Infinity : Number(values.executions);
  const start = performance.now();
  const end = start + (values.seconds === undefined ? Infinity : 1000 * Number(values.seconds));
  let executions = 0;
  for (const seed of target.seeds) {
    executions++;
    if (!(await attempt(target, seed))) return false;
  }
  while (executions < limit && performance.now() < end) {
    for (let i = 0; i < BATCH; i++, executions++)
      if (!(await attempt(target, mutator.next()))) return false;
    // A turn of the event loop, so that nothing piles up in it.
    await new Promise(setImmediate);
  }
  const seconds = (performance.now() - start) / 1000;
  console.log(`${target.name}\t${executions}\t${seconds.toFixed(1)}`);
  return true;
}

const chosen = TARGETS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
if (values.list) {
  for (const { name } of chosen) console.log(name);
} else if (values.input !== undefined) {
  const bytes = Buffer.from(values.input, 'base64');
  for (const target of chosen) if (!(await attempt(target, bytes))) process.exitCode = 1;
} else {
  for (const target of chosen) {
    if (await fuzz(target)) continue;
    console.error(`fuzz: with --seed ${values.seed}`);
    process.exitCode = 1;
  }
}
