/** What a container writes is untrusted in its length, too: of a line, of all, and of the pieces that it comes in. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import type { CaissonError } from '../../../lib/base/errors.js';
import { type DetachedContainers, refused, setUpDetached } from '../../support/detached.js';
import { isRoot } from '../../support/needs.js';
import { eventually, pidOutside, processesOf, holdsFor, settled } from '../../support/outside.js';
import { slowness } from '../../support/slowness.js';
import type { Workshop } from '../../support/workshop.js';
import { skip } from '../../support/skip.js';

/** Three lines of which the second has 3 MiB, and then nothing, for ever. */
const LONG_LINE =
  'echo short; head -c 3145728 /dev/zero | tr "\\0" x; echo; echo after; sleep 1000';

/** The lines, and the code of the error that ended them. */
async function linesAndError(lines: AsyncIterable<string>): Promise<[string[], string]> {
  const seen: string[] = [];
  try {
    for await (const line of lines) {
      seen.push(line.length > 100 ? `${line.length} characters` : line);
      if (seen.length === 3) break;
    }
  } catch (error) {
    return [seen, (error as CaissonError).code];
  }
  return [seen, ''];
}

/** Bytes that are in use after a garbage collection. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** How often the kernel has had no huge page to give. */
function hugePagesMissed(): number {
  return Number(/^thp_fault_fallback (\d+)/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1]);
}

/** Bytes that a process has written, once it writes no more. */
function writtenBy(pid: number): Promise<number> {
  return settled(() => Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]));
}

const MIB = 1 << 20;

describe('output of any length', function () {
  this.timeout(60_000 * slowness);
  let shop: Workshop;
  let detached: DetachedContainers;

  setUpDetached((made) => ({ shop, detached } = made));

  const sh = (command: string, options = {}) =>
    shop.engine.run(shop.busybox, ['sh', '-c', command], options);

  describe('lines, captured output and pipes', () => {
    it('B1: a line longer than the limit ends a run with a typed error, after the lines before it', async () => {
      const run = sh(LONG_LINE);
      expect(await linesAndError(run)).to.deep.equal([['short'], 'ERR_LINE_TOO_LONG']);
      expect((await run).signal).to.equal('SIGKILL');
    });

    it('B1: a line may be as long as maxLine says, and maxLine is checked before anything is started', async () => {
      const [lines, code] = await linesAndError(sh(LONG_LINE, { maxLine: '3m' }));
      expect([lines, code]).to.deep.equal([['short', '3145728 characters', 'after'], '']);
      const exact = sh('printf "12345\\n123456\\n"', { maxLine: 5 });
      expect(await linesAndError(exact)).to.deep.equal([['12345'], 'ERR_LINE_TOO_LONG']);
      for (const maxLine of [0, -1, '1x', 2 ** 40])
        await refused(sh('true', { maxLine }), 'ERR_INVALID_OPTION');
    });

    it('B1: a line longer than the limit ends what exec has started, and detaches a client', async () => {
      const container = await detached.start(`read go; ${LONG_LINE}`, { openStdin: true });
      const exec = container.exec(['sh', '-c', LONG_LINE]);
      expect(await linesAndError(exec)).to.deep.equal([['short'], 'ERR_LINE_TOO_LONG']);
      expect((await exec).signal).to.equal('SIGKILL');

      await refused(container.attach({ maxLine: -1 }), 'ERR_INVALID_OPTION');
      const client = container.attach({ maxLine: '2m' });
      await client.started;
      client.stdin!.write('\n');
      expect(await linesAndError(client)).to.deep.equal([['short'], 'ERR_LINE_TOO_LONG']);
      expect((await client).detached).to.equal(true);
      expect((await container.inspect()).status).to.equal('running');
    });

    it('B1: what would be captured beyond the longest string is refused before anything is started', async () => {
      for (const maxOutput of ['513m', 2 ** 30, Infinity]) {
        const run = sh('true', { maxOutput });
        const error = await refused(run, 'ERR_INVALID_OPTION');
        expect(error.path).to.equal('maxOutput');
        expect(await processesOf(run.id)).to.deep.equal([]);
      }
    });
  });

  it('B2: output that is written in single bytes is captured in the memory of its bytes', async () => {
    const size = 1_000_000;
    await sh('true');
    // What tests before this one have used is given back over a while.
    let before = memoryInUse();
    await holdsFor(200, () => (before = Math.min(before, memoryInUse())));
    const run = sh(`dd if=/dev/zero bs=1 count=${size} 2>/dev/null; echo done >&2; read go`, {
      stdin: 'pipe',
    });
    // All of it is here, and no text has been made of it yet.
    const progress = run.stderr!;
    await new Promise((resolve) => progress.once('data', resolve));
    const used = await eventually(() => {
      const now = memoryInUse() - before;
      expect(now).to.be.greaterThan(0.9 * size);
      return now;
    });
    run.stdin!.end('\n');
    expect((await run).stdout.length).to.equal(size);
    // Beside it there is what a run itself takes.
    expect(used / size).to.be.lessThan(1.5);
  });

  it('B8: captured output of any size takes the memory of its bytes, and is not mapped in small pages', async function () {
    const enabled = '/sys/kernel/mm/transparent_hugepage/enabled';
    if (readFileSync(enabled, 'utf8').includes('[never]'))
      skip(this, 'this kernel has no transparent huge pages');
    await sh('true');
    const memory = memoryInUse();
    const missed = hugePagesMissed();
    const { minorPageFault } = process.resourceUsage();
    const count = 1024;
    const argv = ['dd', 'if=/dev/zero', 'bs=64k', `count=${count}`];
    const result = await shop.engine.run(shop.busybox, argv);
    const faults = process.resourceUsage().minorPageFault - minorPageFault;
    const used = memoryInUse() - memory;
    const size = count << 16;
    expect(used / size).to.be.within(0.9, 1.2);
    expect(result.stdout.length).to.equal(size);
    if (hugePagesMissed() > missed) skip(this, 'the kernel had no huge page free');
    expect(faults).to.be.lessThan(size / 4096 / 2);
  });

  it('B8: a program whose output is not taken is held back by a pipe of 512 KiB and little more', async () => {
    const count = 1600;
    const argv = ['dd', 'if=/dev/zero', 'bs=64k', `count=${count}`];
    const run = shop.engine.run(shop.busybox, argv, { maxOutput: 0 });
    const stdout = run.stdout!;
    let taken = 0;
    let held = false;
    await new Promise<void>((resolve) => {
      stdout.on('data', (chunk: Buffer) => {
        taken += chunk.length;
        if (held || taken < 8 * MIB) return;
        held = true;
        stdout.pause();
        resolve();
      });
    });
    const ahead = (await writtenBy(await pidOutside(run.id, 2))) - taken;
    // The pipes of an unprivileged user may stay small.
    expect(ahead).to.be.within(isRoot ? 0.4 * MIB : 0, 1.25 * MIB);
    stdout.resume();
    expect((await run).exitCode).to.equal(0);
    expect(taken).to.equal(count << 16);
  });

  it('B8: input goes into the pipe at once while there is room, and waits when there is none', async () => {
    const run = sh(
      'trap go=1 USR1; echo ready; until [ "$go" ]; do usleep 10000; done; sha256sum',
      { stdin: 'pipe' },
    );
    const { stdin, stdout } = run;
    await Promise.all([
      // Before it there is no pipe; its output may come before it is told.
      run.started,
      new Promise((resolve) => stdout!.once('data', resolve)),
    ]);
    const hash = createHash('sha256');
    let size = 0;
    const write = (bytes: Buffer) => {
      hash.update(bytes);
      size += bytes.length;
      return stdin!.write(bytes);
    };
    const chunk = 64 << 10;
    expect(write(randomBytes(chunk))).to.equal(true);
    while (size < 4 * MIB && write(randomBytes(chunk)));
    expect(size).to.be.within(2 * chunk, MIB / 4 + chunk);
    let drained = false;
    stdin!.once('drain', () => (drained = true));
    for (let number = 0; number < 1000; number++) write(Buffer.from(`${number}\n`));
    stdin!.end();
    await holdsFor(20, () => expect(drained).to.equal(false));
    run.kill('USR1');
    expect((await run).stdout).to.equal(`ready\n${hash.digest('hex')}  -\n`);
  });

  it('C20: `\\n` alone ends a line, with a `\\r` before it, and nothing else does', async () => {
    const text =
      'a\\rb\\r\\nc\\r\\r\\n\\342\\200\\250d\\f\\342\\200\\251\\302\\205\\v\\n\\r\\n\\ne\\r';
    const expected = ['a\rb', 'c\r', '\u2028d\f\u2029\u0085\v', '', '', 'e\r'];
    const seen = async (lines: AsyncIterable<string>) => {
      const all: string[] = [];
      for await (const line of lines) all.push(line);
      return all;
    };
    expect(await seen(sh(`printf '${text}'`))).to.deep.equal(expected);
    // However it is cut.
    const pieces = text.match(/\\\d+|\\\w|./g)!;
    const slow = pieces.map((piece) => `printf '${piece}'; usleep 2000`).join('; ');
    expect(await seen(sh(slow))).to.deep.equal(expected);

    const { client } = await detached.startAttached(`printf '${text}'`);
    expect(await seen(client)).to.deep.equal(expected);
  });

  it('C19: waitFor does not take the log of an earlier run for that of the present one', async () => {
    const container = await detached.start(
      'if [ -e /was ]; then read go; else touch /was; fi; echo ready; sleep 1000',
      { openStdin: true },
    );
    await container.waitFor({ log: 'ready' });
    await container.restart({ timeout: 0 });
    await refused(container.waitFor({ log: 'ready', timeout: 300 }), 'ERR_TIMEOUT');
    const client = container.attach();
    await client.started;
    client.stdin!.write('\n');
    await container.waitFor({ log: 'ready' });
    client.detach();
  });

  it('C19: pieces of stdout and of stderr do not become one line, and a pattern sees no line end', async () => {
    const container = await detached.start(
      'printf rea; usleep 300000; printf dy >&2; usleep 300000; echo l; usleep 300000; echo set >&2; sleep 1000',
    );
    // Both have come when the last has.
    await container.waitFor({ log: /^dyset$/ });
    await refused(container.waitFor({ log: /ready|read$/, timeout: 300 }), 'ERR_TIMEOUT');
    await container.waitFor({ log: /^real$/ });
  });
});
