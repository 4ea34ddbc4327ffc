import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Container } from '../../../lib/engine/container/container.js';
import { LineSplitter, linesOf, splitLines } from '../../../lib/base/lines.js';
import type { LogEntry } from '../../../lib/engine/logs/log-entry.js';
import { SupervisorConnection } from '../../../lib/engine/supervisor/supervisor-connection.js';
import { Output } from '../../../lib/engine/start/streams.js';
import { waitFor } from '../../../lib/engine/container/wait-for.js';
import { sampleSize } from '../../support/sample.js';

const LIBRARY = fileURLToPath(new URL('../../../../lib', import.meta.url));

/** Cut into parts of these sizes, again and again. */
function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

describe('lines', () => {
  it('C20: lines are the same however the bytes are cut', () => {
    const text = fc.array(
      fc.constantFrom('\n', '\r', '\r\n', '\u2028', '\u0085', '\v', 'a', '€', '😀'),
    );
    fc.assert(
      fc.property(
        text,
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
        (parts, sizes) => {
          const whole = parts.join('');
          const expected = splitLines(whole);
          // What has no end is a line only if there is something of it, and its `\r` is not one of an end.
          const last = whole.slice(whole.lastIndexOf('\n') + 1);
          expected.splice(-1, 1, ...(last === '' ? [] : [last]));
          const splitter = new LineSplitter(1 << 20);
          const lines = [...cut(Buffer.from(whole), sizes)].flatMap((part) => [
            ...splitter.push(part),
          ]);
          const rest = splitter.end();
          expect(rest === undefined ? lines : [...lines, rest]).to.deep.equal(expected);
        },
      ),
    );
  });

  it('C20: nothing in lib/ splits lines by anything else', () => {
    const files = readdirSync(LIBRARY, { recursive: true, encoding: 'utf8' });
    const sources = files.filter((name) => name.endsWith('.ts'));
    const others = sources.filter((name) =>
      /readline|\\r\?\\n\/?[a-z]*\)?\.?split|split\(\/\\r/.test(
        readFileSync(join(LIBRARY, name), 'utf8'),
      ),
    );
    expect(sources.length).to.be.greaterThan(100);
    expect(others).to.deep.equal([]);
  });

  it('B1: a line without an end is held in no more than twice its memory, and only up to the limit', async () => {
    const endless = async function* () {
      for (;;) yield await Promise.resolve(Buffer.from('x'));
    };
    let error: unknown;
    try {
      for await (const line of linesOf(endless(), 10_000)) expect.fail(line);
    } catch (caught) {
      error = caught;
    }
    expect(error).to.include({ code: 'ERR_LINE_TOO_LONG', path: 'maxLine' });
  });
});

describe('captured output', () => {
  it('B2: captured output takes at most 1.2 bytes of memory for a byte, in pieces of any size', () => {
    const patterns = [[1], [1, 4096], [1, 4095, 3], [7, 65_536], [100_000, 1], [4097]];
    for (const sizes of patterns) {
      const output = new Output(1, Infinity, undefined);
      const size = sampleSize(2_000_000);
      // Its own memory, as what a supervisor sends.
      for (const part of cut(Buffer.alloc(size, 'x'), sizes)) output.takeCopy(Buffer.from(part));
      const blocks = new Set<ArrayBufferLike>();
      let views = 0;
      for (;;) {
        const part = output.captured.shift();
        if (part === undefined) break;
        blocks.add(part.buffer);
        views++;
      }
      const memory = [...blocks].reduce((sum, { byteLength }) => sum + byteLength, 0);
      // A view of a buffer is an object of some hundred bytes.
      expect((memory + views * 300) / size, String(sizes)).to.be.within(1, 1.2);
    }
  });

  it('B2: what a reader has not taken yet waits for it in as few parts as can be', async () => {
    const output = new Output(1, 0, undefined);
    const { stream } = output;
    for (let i = 0; i < 50_000; i++) output.takeCopy(Buffer.of(i & 0xff));
    output.end();
    const parts: Buffer[] = [];
    for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
    expect(Buffer.concat(parts).every((byte, index) => byte === (index & 0xff))).to.equal(true);
    expect(Buffer.concat(parts).length).to.equal(50_000);
    expect(parts.length).to.be.lessThan(20);
  });

  it('B2: captured output is the same text in pieces as in one', () => {
    const text = 'aé€😀'.repeat(3000);
    const output = new Output(1, Infinity, undefined);
    for (const part of cut(Buffer.from(text), [1, 5000, 3])) output.takeCopy(part);
    expect(output.captured.text()).to.equal(text);
  });
});

describe('what a supervisor sends', () => {
  const frame = (type: number, size: number, payload = Buffer.alloc(0)) => {
    const head = Buffer.alloc(5);
    head.writeUInt32LE(size, 0);
    head[4] = type;
    return Buffer.concat([head, payload]);
  };

  for (const [what, bytes] of [
    ['an exit without its numbers', frame(6, 0)],
    ['a start without a pid', frame(4, 3, Buffer.alloc(3))],
    ['output of no stream', frame(2, 0)],
    ['a failure of one byte', frame(5, 1, Buffer.alloc(1))],
    ['a length of four gigabytes', frame(2, 0xffff_ffff, Buffer.alloc(100))],
  ] as const) {
    it(`B1: ${what} ends the connection, and nothing else`, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'caisson-test-'));
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.write(bytes);
      });
      const told: string[] = [];
      try {
        await new Promise<void>((resolve) => server.listen(join(directory, 'socket'), resolve));
        await new Promise<void>((resolve, reject) => {
          const tell = (name: string) => () => void told.push(name);
          void SupervisorConnection.open(directory, 'socket', {
            exited: tell('exited'),
            started: tell('started'),
            output: tell('output'),
            failed: tell('failed'),
            closed: resolve,
          });
          // A limit, which is not waited for where all is well.
          setTimeout(() => reject(new Error('the connection is still open')), 1000).unref();
        });
      } finally {
        server.close();
        await rm(directory, { recursive: true, force: true });
      }
      expect(told).to.deep.equal([]);
    });
  }
});

describe('waitFor({ log })', () => {
  /** A container whose log is one line of so many pieces. */
  function writing(pieces: number): Container {
    const bytes = Buffer.alloc(16 << 10, 'x');
    const time = '2026-01-01T00:00:00.000000000Z';
    const fake = {
      inspect: () =>
        Promise.resolve({ status: 'running', state: { status: 'running', startedAt: time } }),
      async *logs(): AsyncGenerator<LogEntry> {
        for (let i = 0; i < pieces; i++)
          yield await Promise.resolve({ stream: 'stdout', time, bytes, partial: true } as const);
        yield { stream: 'stdout', time, bytes: Buffer.from('end\n'), partial: false };
      },
    };
    return fake as unknown as Container;
  }

  async function cpuTime(pieces: number, log: string): Promise<number> {
    const before = process.cpuUsage();
    await waitFor(writing(pieces), { log });
    const { user, system } = process.cpuUsage(before);
    return user + system;
  }

  it('C19: a wait takes a time that grows with the log, and not with its square', async function () {
    this.timeout(60_000);
    await cpuTime(100, 'end');
    // Across the pieces, too.
    const [short, long] = [await cpuTime(250, 'xxend'), await cpuTime(2000, 'xxend')];
    expect(long / short).to.be.lessThan(20);
  });

  it('C19: a wait looks at the beginning of a line of any length with a pattern', async () => {
    await waitFor(writing(2000), { log: /^x{1000}/ });
  });
});
