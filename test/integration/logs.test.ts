import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readLogs } from '../../lib/engine/logs/log-reader.js';
import { fixture } from '../support/paths.js';

const LINES = 20_000;

/** Another process that writes a log. */
function writer(directory: string, maxSize: number, maxFile: number): ChildProcess {
  const args = [fixture('write-log'), directory, LINES, maxSize, maxFile].map(String);
  return spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
}

describe('logs that another process writes', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'caisson-test-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  async function numbers(child: ChildProcess): Promise<number[]> {
    const exited = once(child, 'exit').then(([code]) => expect(code).to.equal(0));
    const seen: number[] = [];
    let damaged = 0;
    for await (const { bytes } of readLogs(directory, {
      follow: true,
      ended: async () => void (await exited),
      onDamaged: () => damaged++,
    })) {
      seen.push(Number(/^line (\d+)\n$/.exec(bytes.toString())![1]));
    }
    expect(damaged).to.equal(0);
    return seen;
  }

  it('Logs are whole, in order and once, through hundreds of rotations', async () => {
    // As many files as there can be: none is dropped.
    const seen = await numbers(writer(directory, 8192, 1000));
    expect((await readdir(directory)).length).to.be.above(150);
    expect(seen).to.deep.equal(Array.from({ length: LINES }, (_, index) => index));
  });

  it('Logs lose only what rotation dropped', async () => {
    const seen = await numbers(writer(directory, 4096, 2));
    expect(seen.at(-1)).to.equal(LINES - 1);
    for (let index = 1; index < seen.length; index++) {
      expect(seen[index], `after ${seen[index - 1]}`).to.be.above(seen[index - 1]!);
    }
  });

  it('Logs can be read from while they grow, up to where they were', async () => {
    const child = writer(directory, 1 << 20, 3);
    const exited = once(child, 'exit');
    for (let round = 0; round < 20; round++) {
      const seen: number[] = [];
      for await (const { bytes } of readLogs(directory, { tail: 500 }))
        seen.push(Number(bytes.toString().slice(5)));
      const [first = 0] = seen;
      expect(seen).to.deep.equal(Array.from(seen, (_, index) => first + index));
    }
    await exited;
  });
});
