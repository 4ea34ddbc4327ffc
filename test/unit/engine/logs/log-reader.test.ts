import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  type LogEntry,
  type LogOptions,
  readLogs,
} from '../../../../lib/engine/logs/log-reader.js';
import { formatTimeStamp } from '../../../../lib/base/time-stamp.js';
import { type Line, LogWriter } from '../../../support/log-writer.js';
import { eventually } from '../../../support/outside.js';
import { expectError } from '../../support/expect-error.js';
import { sampleSize } from '../../../support/sample.js';

const EPOCH = 1_767_225_600n * 1_000_000_000n;

function at(second: number): string {
  return formatTimeStamp(EPOCH + BigInt(second) * 1_000_000_000n);
}

function out(text: string, second = 0): Line {
  return { stream: 'stdout', time: at(second), bytes: Buffer.from(text) };
}

function err(text: string, second = 0): Line {
  return { ...out(text, second), stream: 'stderr' };
}

async function all(directory: string, options?: LogOptions): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const entry of readLogs(directory, options)) entries.push(entry);
  return entries;
}

function texts(entries: readonly LogEntry[]): string[] {
  return entries.map(({ bytes }) => bytes.toString());
}

/** What one reader has been given so far. */
class Reading {
  readonly entries: LogEntry[] = [];
  readonly done: Promise<void>;
  /** What is written from then on is new. */
  readonly open: Promise<void>;
  private end: (() => void) | undefined;

  constructor(directory: string, options: LogOptions = {}) {
    const ended = new Promise<void>((resolve) => (this.end = resolve));
    let opened: () => void = () => undefined;
    this.open = new Promise<void>((resolve) => (opened = resolve));
    const own = { follow: true, ended: () => ended, onOpen: () => opened() };
    this.done = this.run(readLogs(directory, { ...own, ...options }));
  }

  get texts(): string[] {
    return texts(this.entries);
  }

  async finish(): Promise<string[]> {
    this.end?.();
    await this.done;
    return this.texts;
  }

  private async run(logs: AsyncGenerator<LogEntry>): Promise<void> {
    for await (const entry of logs) this.entries.push(entry);
  }
}

describe('log reader', () => {
  let root: string;
  let directory: string;
  let count = 0;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'caisson-test-'));
  });
  after(() => rm(root, { recursive: true }));

  function fresh(): string {
    directory = join(root, String(count++));
    mkdirSync(directory);
    return directory;
  }

  it('The reader gives streams, times and bytes as they were written', async () => {
    using writer = new LogWriter(fresh(), 3);
    writer.write(out('a\n', 1));
    writer.write({ stream: 'stderr', time: at(2), bytes: Buffer.from([0xff, 0xfe, 0x0a]) });
    writer.write(out('ä \ud83d\ude00 "\\\0', 3));
    expect(await all(directory)).to.deep.equal([
      { stream: 'stdout', time: at(1), bytes: Buffer.from('a\n'), partial: false },
      { stream: 'stderr', time: at(2), bytes: Buffer.from([0xff, 0xfe, 0x0a]), partial: false },
      { stream: 'stdout', time: at(3), bytes: Buffer.from('ä 😀 "\\\0'), partial: true },
    ]);
  });

  it('The reader finds nothing where there is nothing', async () => {
    expect(await all(join(fresh(), 'missing'))).to.deep.equal([]);
    expect(await all(directory, { tail: 3 })).to.deep.equal([]);
    writeFileSync(join(directory, 'json.log'), '');
    expect(await all(directory, { tail: 3 })).to.deep.equal([]);
  });

  it('The reader reads rotated files first, and none that is not one', async () => {
    using writer = new LogWriter(fresh(), 12);
    for (let i = 0; i < 15; i++) {
      writer.write(out(`${i}\n`));
      writer.rotate();
    }
    for (const name of ['json.log.x', 'json.log.01', 'json.log.1.gz', 'json.logs', 'json.log.-1'])
      writeFileSync(join(directory, name), '{"log":"no","stream":"stdout","time":""}\n');
    expect(texts(await all(directory))).to.deep.equal(
      Array.from({ length: 11 }, (_, i) => `${i + 4}\n`),
    );
  });

  it('The reader ends where the log ended when it was opened, however fast it grows', async () => {
    using writer = new LogWriter(fresh(), 3);
    for (let i = 0; i < 2000; i++) writer.write(out(`${i}\n`));
    let seen = 0;
    for await (const { bytes } of readLogs(directory)) {
      expect(bytes.toString()).to.equal(`${seen++}\n`);
      writer.write(out('later\n'));
    }
    expect(seen).to.equal(2000);
  });

  it('The reader refuses what it is not told clearly, at once', () => {
    for (const options of [
      { tail: -1 },
      { tail: 'abc' },
      { tail: 1.5 },
      { since: 'x' },
      { until: 'x' },
      { since: '5m', until: '10m' },
      { follow: 'yes' },
      { stdout: 1 },
    ]) {
      const [name = ''] = Object.keys(options).reverse();
      expectError(
        () => readLogs('/nowhere', options as LogOptions),
        'ERR_INVALID_OPTION',
        new RegExp(`^${name}: `),
      );
    }
  });

  describe('the tail of a log', () => {
    it('The tail counts the pieces of a line once', async () => {
      using writer = new LogWriter(fresh(), 3);
      writer.write(out('0\n'));
      for (const text of ['1a', '1b', '1c\n']) writer.write(out(text));
      writer.rotate();
      for (const text of ['2a', '2b']) writer.write(out(text));
      writer.rotate();
      for (const text of ['2c\n', '3\n']) writer.write(out(text));
      writer.write(err('4'));
      const tail = async (n: number) => texts(await all(directory, { tail: n })).join('');
      expect(await tail(1)).to.equal('4');
      expect(await tail(2)).to.equal('3\n4');
      expect(await tail(3)).to.equal('2a2b2c\n3\n4');
      expect(await tail(4)).to.equal('1a1b1c\n2a2b2c\n3\n4');
      expect(await tail(5)).to.equal('0\n1a1b1c\n2a2b2c\n3\n4');
      expect(await tail(6)).to.equal('0\n1a1b1c\n2a2b2c\n3\n4');
      expect(await tail(0)).to.equal('');
    });

    it('C21: the tail has whole lines where the streams have written into each other’s', async () => {
      using writer = new LogWriter(fresh(), 3);
      for (const line of [out('0\n'), err('e0 '), out('1a '), err('e1\n')]) writer.write(line);
      writer.rotate();
      for (const line of [out('1b '), err('e2\n'), out('1c\n')]) writer.write(line);
      const tail = async (tail: number) => texts(await all(directory, { tail })).join('');
      expect(await tail(1)).to.equal('1a 1b 1c\n');
      expect(await tail(2)).to.equal('1a 1b e2\n1c\n');
      expect(await tail(3)).to.equal('e0 1a e1\n1b e2\n1c\n');
      expect(await tail(4)).to.equal('0\ne0 1a e1\n1b e2\n1c\n');
    });

    it('C21: the reader looks for the beginning of a line only so far back', async () => {
      using writer = new LogWriter(fresh(), 3);
      const line = `${'x'.repeat(8000)}\n`;
      for (let i = 0; i < 1000; i++) writer.write(out(line));
      writer.write(err('e\n'));
      const before = bytesRead();
      expect(texts(await all(directory, { tail: 1 }))).to.deep.equal(['e\n']);
      expect(bytesRead() - before).to.be.below(6 << 20);
    });

    it('The reader reads no more of a large file than it needs', async () => {
      using writer = new LogWriter(fresh(), 3);
      const line = `${'x'.repeat(1000)}\n`;
      for (let i = 0; i < 10_000; i++) writer.write(out(line));
      const before = bytesRead();
      expect((await all(directory, { tail: 10 })).length).to.equal(10);
      expect(bytesRead() - before).to.be.below(1 << 20);
    });
  });

  describe('a damaged log', () => {
    async function damaged(options: LogOptions = {}): Promise<[string[], number]> {
      let lines = 0;
      const entries = await all(directory, { ...options, onDamaged: () => lines++ });
      return [texts(entries), lines];
    }

    it('The reader skips and counts what is no entry', async () => {
      using writer = new LogWriter(fresh(), 3);
      const rubbish = ['', 'x', '{}', '[]', 'null', '{"log":1,"stream":"stdout","time":""}'];
      writer.write(out('a\n'));
      for (const line of [...rubbish, '{"log":"","stream":"stdin","time":""}'])
        writer.append(Buffer.from(`${line}\n`));
      writer.write(out('b\n'));
      expect(await damaged()).to.deep.equal([['a\n', 'b\n'], 7]);
      expect(await damaged({ tail: 2 })).to.deep.equal([['a\n', 'b\n'], 7]);
      expect(await damaged({ tail: 1 })).to.deep.equal([['b\n'], 0]);
    });

    it('The reader finds what was written behind a torn line', async () => {
      using writer = new LogWriter(fresh(), 3);
      writer.write(out('a\n'));
      writer.append(Buffer.from('{"log":"torn {\\"log\\":\\"'));
      writer.write(out('b {"log":"\n'));
      writer.append(Buffer.alloc(5000));
      writer.write(out('c\n'));
      expect(await damaged()).to.deep.equal([['a\n', 'b {"log":"\n', 'c\n'], 2]);
      expect(await damaged({ tail: 1 })).to.deep.equal([['c\n'], 1]);
    });

    it('The reader leaves a torn last line, of each file', async () => {
      using writer = new LogWriter(fresh(), 3);
      writer.write(out('a\n'));
      writer.append(Buffer.from('{"log":"to'));
      writer.rotate();
      writer.write(out('b\n'));
      writer.append(Buffer.from('{"log":"to'));
      expect(await damaged()).to.deep.equal([['a\n', 'b\n'], 1]);
      expect(await damaged({ tail: 2 })).to.deep.equal([['a\n', 'b\n'], 1]);
    });

    it('The reader does not keep a line without end in memory', async () => {
      using writer = new LogWriter(fresh(), 3);
      writer.write(out('a\n'));
      writer.append(Buffer.alloc(20 << 20));
      writer.append(Buffer.from('\n'));
      writer.write(out('b\n'));
      const before = process.memoryUsage().arrayBuffers;
      let most = 0;
      const timer = setInterval(
        () => (most = Math.max(most, process.memoryUsage().arrayBuffers)),
        1,
      );
      expect(await damaged()).to.deep.equal([['a\n', 'b\n'], 1]);
      clearInterval(timer);
      expect(most - before).to.be.below(64 << 20);
    });
  });

  describe('a follower of a log', () => {
    it('A follower gets what comes, an unfinished line at once, and ends with the container', async () => {
      using writer = new LogWriter(fresh(), 3);
      writer.write(out('a\n'));
      const reading = new Reading(directory);
      await eventually(() => expect(reading.texts).to.deep.equal(['a\n']));
      writer.write(out('prompt> '));
      await eventually(() => expect(reading.texts).to.deep.equal(['a\n', 'prompt> ']));
      expect(reading.entries[1]!.partial).to.equal(true);
      writer.write(out('b\n'));
      expect(await reading.finish()).to.deep.equal(['a\n', 'prompt> ', 'b\n']);
    });

    it('A follower is woken by the kernel, not by the clock', async () => {
      using writer = new LogWriter(fresh(), 3);
      writer.write(out('0\n'));
      const reading = new Reading(directory);
      await eventually(() => expect(reading.texts.length).to.equal(1));
      const start = performance.now();
      for (let i = 1; i <= 20; i++) {
        writer.write(out(`${i}\n`));
        await eventually(() => expect(reading.texts.length).to.equal(i + 1));
      }
      expect(performance.now() - start).to.be.below(10_000);
      await reading.finish();
    });

    it('A follower with a tail of nothing gets only what is new', async () => {
      using writer = new LogWriter(fresh(), 3);
      writer.write(out('old\n'));
      writer.append(Buffer.from('{"log":"new 1\\n","stream":"stdout",'));
      const reading = new Reading(directory, { tail: 0 });
      await reading.open;
      expect(reading.texts).to.deep.equal([]);
      writer.append(Buffer.from(`"time":"${at(0)}"}\n`));
      writer.write(out('new 2\n'));
      expect(await reading.finish()).to.deep.equal(['new 1\n', 'new 2\n']);
    });

    it('A follower begins before there is a log, and gets it whole', async () => {
      const reading = new Reading(fresh());
      await reading.open;
      using writer = new LogWriter(directory, 2);
      writer.write(out('a\n'));
      await eventually(() => expect(reading.texts).to.deep.equal(['a\n']));
      await reading.finish();
      expect(await new Reading(fresh()).finish()).to.deep.equal([]);
    });

    it('A follower goes on at every moment of a rotation', async () => {
      using writer = new LogWriter(fresh(), 4);
      const expected: string[] = [];
      for (const text of ['a\n', 'b\n', 'c\n']) {
        writer.write(out(text));
        expected.push(text);
        writer.rotate();
      }
      // At each of the moments one reader begins, and one has been there from the start.
      const first = new Reading(directory);
      await eventually(() => expect(first.texts).to.deep.equal(expected));
      const readings: Reading[] = [];
      const before: string[][] = [];
      writer.write(out('d\n'));
      writer.close();
      const steps: number[] = [];
      writer.rotate((moved) => steps.push(moved));
      expect(steps).to.deep.equal([2, 1, 0]);
      for (let stop = 2; stop >= 0; stop--) {
        writer.write(out(`step ${stop}\n`));
        await new Promise<void>((resolve) => {
          const pending: Promise<unknown>[] = [];
          writer.rotate((moved) => {
            if (moved === stop) {
              // Opens its files now, synchronously begun, while names are missing.
              readings.push(new Reading(directory));
              pending.push(all(directory).then((entries) => before.push(texts(entries))));
            }
          });
          void Promise.all(pending).then(() => resolve());
        });
      }
      writer.write(out('end\n'));
      const whole = [...expected, 'd\n', 'step 2\n', 'step 1\n', 'step 0\n', 'end\n'];
      expect(await first.finish()).to.deep.equal(whole);
      for (const reading of readings) {
        const seen = await reading.finish();
        expect(seen).to.deep.equal(whole.slice(-seen.length));
        expect(seen.length).to.be.at.least(3);
      }
    });

    it('A follower reads a file to its end that rotation has dropped', async () => {
      using writer = new LogWriter(fresh(), 2);
      writer.write(out('a\n'));
      let end: () => void = () => undefined;
      const ended = new Promise<void>((resolve) => (end = resolve));
      const logs = readLogs(directory, { follow: true, ended: () => ended });
      expect((await logs.next()).value).to.deep.include({ bytes: Buffer.from('a\n') });
      writer.write(out('b\n'));
      for (const text of ['lost\n', 'c\n', 'd\n']) {
        writer.rotate();
        writer.write(out(text));
      }
      end();
      const rest: LogEntry[] = [];
      for await (const entry of logs) rest.push(entry);
      expect(texts(rest)).to.deep.equal(['b\n', 'c\n', 'd\n']);
    });

    it('A follower begins again when the file was emptied', async () => {
      using writer = new LogWriter(fresh(), 3);
      for (const text of ['a\n', 'b\n']) writer.write(out(text));
      const reading = new Reading(directory);
      await eventually(() => expect(reading.texts.length).to.equal(2));
      truncateSync(join(directory, 'json.log'));
      writer.write(out('c\n'));
      expect(await reading.finish()).to.deep.equal(['a\n', 'b\n', 'c\n']);
    });

    it('A follower ends when it is aborted, when `until` has come, and when the directory is gone', async () => {
      using writer = new LogWriter(fresh(), 3);
      writer.write(out('a\n'));
      const abort = new AbortController();
      const aborted = new Reading(directory, { signal: abort.signal });
      const timed = new Reading(directory, { until: new Date(Date.now() + 200) });
      const orphan = new Reading(directory);
      await eventually(() => expect(orphan.texts.length).to.equal(1));
      abort.abort();
      await aborted.done;
      await timed.done;
      expect(timed.texts).to.deep.equal(['a\n']);
      rmSync(directory, { recursive: true });
      await orphan.done;
      expect(await all(directory, { signal: abort.signal })).to.deep.equal([]);
    });

    it('A follower fails when what it was to wait for does', async () => {
      const failure = new Error('no supervisor');
      let thrown: unknown;
      await all(fresh(), { follow: true, ended: () => Promise.reject(failure) }).catch(
        (error: unknown) => (thrown = error),
      );
      expect(thrown).to.equal(failure);
    });

    it('A follower leaves no descriptor, however it ends', async () => {
      using writer = new LogWriter(fresh(), 3);
      for (let i = 0; i < 3; i++) {
        writer.write(out(`${i}\n`));
        writer.rotate();
      }
      const { openDescriptors } = await import('../../../support/leftovers.js');
      const open = () => openDescriptors().filter((path) => path.includes('json.log')).length;
      const own = open();
      for await (const _ of readLogs(directory, { follow: true })) {
        expect(open()).to.be.above(own);
        break;
      }
      await all(directory, { tail: 1 });
      expect(open()).to.equal(own);
    });
  });

  describe('the model of a log', () => {
    type Step =
      | { readonly kind: 'write'; readonly line: Line }
      | { readonly kind: 'rotate' }
      | { readonly kind: 'rubbish'; readonly text: string };

    const line = fc
      .record({
        stream: fc.constantFrom('stdout' as const, 'stderr' as const),
        bytes: fc.uint8Array({ maxLength: 12 }),
        long: fc.boolean(),
        end: fc.boolean(),
        second: fc.integer({ min: 0, max: 20 }),
      })
      .map(({ stream, bytes, long, end, second }): Line => {
        const text = Buffer.from(bytes.map((byte) => (byte === 10 ? 32 : byte)));
        const body = long && text.length > 0 ? Buffer.alloc(9000, text) : text;
        return {
          stream,
          time: at(second),
          bytes: end ? Buffer.concat([body, Buffer.from('\n')]) : body,
        };
      });
    const step: fc.Arbitrary<Step> = fc.oneof(
      { weight: 8, arbitrary: line.map((line) => ({ kind: 'write' as const, line })) },
      { weight: 2, arbitrary: fc.constant({ kind: 'rotate' as const }) },
      {
        weight: 1,
        arbitrary: fc
          .string({ unit: fc.constantFrom(...'{}"\\:x\0'), maxLength: 20 })
          .map((text) => ({ kind: 'rubbish' as const, text })),
      },
    );

    function perform(writer: LogWriter, files: Line[][], { maxFile }: LogWriter, step: Step): void {
      if (step.kind === 'rotate') {
        writer.rotate();
        files.push([]);
        if (files.length > maxFile) files.shift();
      } else if (step.kind === 'write') {
        writer.write(step.line);
        files.at(-1)!.push(step.line);
      } else writer.append(Buffer.from(`${step.text}\n`));
    }

    /** The last lines of what is there, then what is asked for of them. */
    function expected(files: Line[][], options: LogOptions): Line[] {
      const all = files.flat();
      const groups: number[][] = [];
      const open: Partial<Record<string, number[]>> = {};
      for (const [index, { stream, bytes }] of all.entries()) {
        const group = open[stream] ?? [];
        if (group.length === 0) groups.push(group);
        group.push(index);
        open[stream] = bytes.at(-1) === 10 ? undefined : group;
      }
      const { tail, since, until, stdout, stderr } = options;
      groups.sort((a, b) => a.at(-1)! - b.at(-1)!);
      const last =
        typeof tail === 'number' ? groups.slice(Math.max(0, groups.length - tail)) : groups;
      return last
        .flat()
        .sort((a, b) => a - b)
        .map((index) => all[index]!)
        .filter(
          ({ stream, time }) =>
            (stream === 'stdout' ? stdout : stderr) !== false &&
            (since === undefined || time >= (since as string)) &&
            (until === undefined || time <= (until as string)),
        );
    }

    function plain(entries: readonly (LogEntry | Line)[]): unknown[] {
      return entries.map(({ stream, time, bytes }) => [stream, time, bytes.toString('hex')]);
    }

    const options = fc.record(
      {
        tail: fc.oneof(fc.integer({ min: 0, max: 30 }), fc.constant('all' as const)),
        since: fc.integer({ min: 0, max: 10 }).map(at),
        until: fc.integer({ min: 10, max: 20 }).map(at),
        stdout: fc.boolean(),
        stderr: fc.boolean(),
      },
      { requiredKeys: [] },
    );

    it('The reader agrees with the model for any lines, rotations and questions', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { maxLength: 60 }),
          fc.integer({ min: 1, max: 4 }),
          fc.array(options, { minLength: 1, maxLength: 6 }),
          async (steps, maxFile, questions) => {
            using writer = new LogWriter(fresh(), maxFile);
            const files: Line[][] = [[]];
            for (const step of steps) perform(writer, files, writer, step);
            for (const question of questions) {
              const entries = await all(directory, question);
              expect(plain(entries)).to.deep.equal(plain(expected(files, question)));
            }
          },
        ),
        { numRuns: sampleSize(150) },
      );
    });

    it('A follower agrees with the model, wherever it begins', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { maxLength: 40 }),
          fc.array(step, { maxLength: 40 }),
          fc.array(fc.boolean(), { minLength: 1, maxLength: 10 }),
          options,
          async (before, after, pauses, { until: _, ...question }) => {
            // Nothing is dropped by rotation here: that is the one way to lose anything.
            using writer = new LogWriter(fresh(), 100);
            const files: Line[][] = [[]];
            for (const step of before) perform(writer, files, writer, step);
            const first = expected(files, question);
            const known = files.flat().length;
            const reading = new Reading(directory, question);
            await reading.open;
            for (const [index, step] of after.entries()) {
              perform(writer, files, writer, step);
              if (pauses[index % pauses.length] === true) await new Promise(setImmediate);
            }
            await reading.finish();
            const { tail: _all, ...rest } = question;
            const later = expected([files.flat().slice(known)], rest);
            expect(plain(reading.entries)).to.deep.equal(plain([...first, ...later]));
          },
        ),
        { numRuns: sampleSize(60) },
      );
    });
  });

  /** Of this process, from files: proc_pid_io(5). */
  function bytesRead(): number {
    return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))![1]);
  }
});
