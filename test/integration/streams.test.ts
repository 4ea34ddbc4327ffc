import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { CaissonError } from '../../lib/base/errors.js';
import { eventually, pidOutside, sleep, settled } from '../support/outside.js';
import { Workshop } from '../support/workshop.js';

/** 99,999,999 bytes of text, all lines different. */
const BIG_LINES = 11_111_111;
const BIG_SIZE = 9 * BIG_LINES;

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');

describe('streams', () => {
  let shop: Workshop;

  before(async () => {
    shop = await Workshop.open();
  });

  after(() => shop.close());

  const sh = (command: string, options = {}) =>
    shop.engine.run(shop.busybox, ['sh', '-c', command], options);

  describe('output', () => {
    it('Output keeps stdout and stderr apart, each in its order', async () => {
      const { stdout, stderr } = await sh(
        'i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done',
      );
      const lines = (name: string) =>
        Array.from({ length: 500 }, (_, index) => `${name} ${index}\n`).join('');
      expect(stdout).to.equal(lines('out'));
      expect(stderr).to.equal(lines('err'));
    });

    describe('output of 100 MB', () => {
      let digest: string;
      const options = () => ({ volumes: [`${shop.path('big')}:/big:ro`] });

      before(async function () {
        this.timeout(60_000);
        const make = 'seq -w "$1" >"$2" && sha256sum <"$2"';
        const args = ['-c', make, 'sh', String(BIG_LINES), shop.path('big')];
        digest = (await promisify(execFile)('sh', args)).stdout.slice(0, 64);
      });

      it('Output of 100 MB is whole', async function () {
        this.timeout(60_000);
        const run = shop.engine.run(shop.busybox, ['cat', '/big'], options());
        const { stdout, outputTruncated, exitCode } = await run;
        expect(exitCode).to.equal(0);
        expect(stdout.length).to.equal(BIG_SIZE);
        expect(outputTruncated).to.equal(false);
        expect(sha256(stdout)).to.equal(digest);
      });

      it('Output of 100 MB is whole for a slow reader, for which the container waits', async function () {
        this.timeout(60_000);
        const run = shop.engine.run(shop.busybox, ['cat', '/big'], {
          ...options(),
          maxOutput: '1m',
        });
        const stream = run.stdout!;
        await run.started;
        // Asked for, and not read: the program fills the pipe and a little more, and then stands still.
        const cat = await pidOutside(run.id, 2);
        const written = async () =>
          Number(/^wchar: (\d+)/m.exec(await readFile(`/proc/${cat}/io`, 'utf8'))![1]);
        await eventually(async () => expect(await written()).to.be.greaterThan(0));
        expect(await settled(written)).to.be.lessThan(4 << 20);

        const hash = createHash('sha256');
        let size = 0;
        let pauses = 0;
        for await (const chunk of stream as AsyncIterable<Buffer>) {
          hash.update(chunk);
          size += chunk.length;
          if (size > (pauses + 1) * 10_000_000 && pauses++ < 9) await sleep(20); // a slow reader
        }
        expect(size).to.equal(BIG_SIZE);
        expect(hash.digest('hex')).to.equal(digest);
        // What was captured beside it is cut off; that did not end the container.
        const result = await run;
        expect(result).to.include({ outputTruncated: true, exitCode: 0 });
        expect(result.stdout.length).to.equal(1 << 20);
      });
    });

    it('Output is not lost at the exit, in many short runs', async () => {
      for (let round = 0; round < 6; round++) {
        const sizes = Array.from(
          { length: 10 },
          (_, index) => 1 + (((round * 10 + index) * 7919) % 200_000),
        );
        const results = await Promise.all(
          sizes.map((size) =>
            sh(`head -c ${size} /dev/zero | tr '\\0' x; head -c ${size} /dev/zero >&2`),
          ),
        );
        for (const [index, { stdout, stderr }] of results.entries()) {
          expect(stdout).to.equal('x'.repeat(sizes[index]!));
          expect(stderr.length).to.equal(sizes[index]);
        }
      }
    });

    it('Output of a program that is killed is there up to that point', async () => {
      const { stdout, exitCode } = await sh('seq 10000; kill -9 $$; echo never');
      expect(exitCode).to.equal(137);
      expect(stdout.endsWith('\n9999\n10000\n')).to.equal(true);
      expect(stdout.length).to.equal(48_894);
    });

    it('Output that is not read ends the container at its limit', async () => {
      for (const stream of ['', ' >&2']) {
        const result = await sh(`yes${stream}`, { maxOutput: 1000 });
        expect(result).to.include({ outputTruncated: true, signal: 'SIGKILL', timedOut: false });
        expect(result.stdout + result.stderr).to.equal('y\n'.repeat(500));
      }
    });

    it('Output may be as long as the limit', async () => {
      const exact = await sh('head -c 1000 /dev/zero', { maxOutput: 1000 });
      expect(exact).to.include({ outputTruncated: false, exitCode: 0 });
      const none = await sh('head -c 100000 /dev/zero', { maxOutput: 0 });
      expect(none).to.include({ outputTruncated: false, exitCode: 0, stdout: '' });
    });

    it('Output can be bytes that are no text', async () => {
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const run = shop.engine.run(shop.busybox, ['cat'], { stdin: 'pipe' });
      run.stdin!.end(bytes);
      const chunks: Buffer[] = [];
      for await (const chunk of run.stdout as AsyncIterable<Buffer>) chunks.push(chunk);
      expect(Buffer.concat(chunks).equals(bytes)).to.equal(true);
      await run;
    });

    it('Output is text even when a character comes in two parts', async () => {
      const { stdout } = await sh("printf '\\342\\202'; sleep 0.05; printf '\\254'");
      expect(stdout).to.equal('€');
      const lines: string[] = [];
      for await (const line of sh("printf 'a\\342\\202'; sleep 0.05; printf '\\254\\nb'"))
        lines.push(line);
      expect(lines).to.deep.equal(['a€', 'b']);
    });

    it('Output that was asked for late begins at the beginning', async () => {
      const run = sh('echo early; read line; echo late', { stdin: 'pipe' });
      await run.started;
      await sleep(50); // the output has come before it is asked for
      const seen: string[] = [];
      run.stdout!.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
      run.stdin!.end('\n');
      const { stdout } = await run;
      await eventually(() => expect(seen.join('')).to.equal('early\nlate\n'));
      expect(stdout).to.equal('early\nlate\n');
    });

    it('Output can be empty', async () => {
      const run = sh('echo out; echo err >&2; ls -l /proc/self/fd/1', { stdout: 'null' });
      expect(run.stdout).to.equal(undefined);
      const result = await run;
      expect([result.stdout, result.stderr]).to.deep.equal(['', 'err\n']);
      const both = sh('readlink /proc/$$/fd/2', { stderr: 'null' });
      expect(both.stderr).to.equal(undefined);
      expect((await both).stdout).to.equal('/dev/null\n');
    });
  });

  describe('lines', () => {
    it('Lines come one by one', async () => {
      const run = sh('echo 1; read x; echo "2 $x"; read x; printf "3 $x"', { stdin: 'pipe' });
      const lines: string[] = [];
      for await (const line of run) {
        lines.push(line);
        run.stdin!.write('go\n');
      }
      expect(lines).to.deep.equal(['1', '2 go', '3 go']);
      expect((await run).exitCode).to.equal(0);
    });

    it('Lines end with the error of a start that failed', async () => {
      let code: string | undefined;
      try {
        for await (const line of shop.engine.run(shop.busybox, ['/missing']))
          expect(line).to.equal('');
      } catch (error) {
        code = (error as CaissonError).code;
      }
      expect(code).to.equal('ERR_COMMAND_NOT_FOUND');
    });

    it('Lines that are not read any more hold nothing up', async () => {
      const run = sh('seq 1000000; exit 5');
      for await (const line of run) if (line === '10') break;
      const { exitCode, stdout } = await run;
      expect(exitCode).to.equal(5);
      expect(stdout.length).to.equal(6_888_896);
    });
  });

  it('Lines may be written to this process’s own streams', async () => {
    const script = fileURLToPath(new URL('../support/programs/run-one.js', import.meta.url));
    const child = spawn(
      process.execPath,
      [
        script,
        shop.path('inherit'),
        shop.path('busybox'),
        JSON.stringify(['sh', '-c', 'read line; echo "out $line"; echo "err $line" >&2; cat']),
        JSON.stringify({ stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' }),
      ],
      { stdio: 'pipe' },
    );
    child.stdin.end('one\ntwo\n');
    const [stdout, stderr] = await Promise.all(
      [child.stdout, child.stderr].map(async (stream) => {
        let text = '';
        for await (const chunk of stream as AsyncIterable<Buffer>) text += chunk.toString();
        return text;
      }),
    );
    expect(stdout).to.equal('out one\ntwo\n{"exitCode":0,"stdout":"","stderr":""}\n');
    expect(stderr).to.equal('err one\n');
  });

  describe('input', () => {
    it('Input is nothing by default', async () => {
      const run = sh('wc -c; readlink /proc/$$/fd/0');
      expect(run.stdin).to.equal(undefined);
      expect((await run).stdout).to.equal('0\n/dev/null\n');
    });

    it('Input arrives whole, and its end is its end', async () => {
      const data = Buffer.alloc(10_000_000);
      for (let index = 0; index < data.length; index += 4)
        data.writeUInt32LE((index * 2_654_435_761) % 2 ** 32, index);
      const run = sh('sha256sum; echo still here; echo "$(id -u)" >&2', { stdin: 'pipe' });
      run.stdin!.end(data);
      const { stdout, stderr } = await run;
      expect(stdout).to.equal(`${sha256(data)}  -\nstill here\n`);
      expect(stderr).to.equal('0\n');
    });

    it('Input and output flow at the same time', async () => {
      const run = shop.engine.run(shop.busybox, ['cat'], { stdin: 'pipe' });
      const text = 'x'.repeat(65_535) + '\n';
      const source = Readable.from(Array.from({ length: 100 }, () => text));
      await pipeline(source, run.stdin!);
      const { stdout } = await run;
      expect(stdout.length).to.equal(6_553_600);
      expect(stdout).to.equal(text.repeat(100));
    });

    it('Input may be written before there is a process', async () => {
      const run = sh('cat', { stdin: 'pipe' });
      run.stdin!.write('one ');
      run.stdin!.write('two ');
      run.stdin!.end('three');
      expect((await run).stdout).to.equal('one two three');
    });

    it('Input exerts back-pressure on its writer', async () => {
      const run = sh('read line; sleep 0.2; wc -c', { stdin: 'pipe' });
      await run.started;
      const chunk = Buffer.alloc(1 << 20, 'x');
      run.stdin!.write('line\n');
      expect(run.stdin!.write(chunk)).to.equal(false);
      let drained = false;
      run.stdin!.once('drain', () => (drained = true));
      run.stdin!.end();
      expect((await run).stdout).to.equal(`${1 << 20}\n`);
      expect(drained || run.stdin!.writableFinished).to.equal(true);
    });

    it('Input that the program does not read is no error', async () => {
      const errors: unknown[] = [];
      for (const command of ['exit 3', 'exec <&-; sleep 0.1; exit 3', 'read x; exit 3']) {
        const run = sh(command, { stdin: 'pipe' });
        run.stdin!.on('error', (error) => errors.push(error));
        const source = Readable.from(
          Array.from({ length: 50 }, () => Buffer.alloc(100_000, 'a\n')),
        );
        await pipeline(source, run.stdin!);
        expect((await run).exitCode).to.equal(3);
        run.stdin!.write('later');
        run.stdin!.end();
      }
      expect(errors).to.deep.equal([]);
    });

    it('Input that is never ended ends with the program', async () => {
      const run = sh('echo done', { stdin: 'pipe' });
      run.stdin!.write('x');
      expect((await run).stdout).to.equal('done\n');
    });

    it('Input of a start that failed goes nowhere', async () => {
      const run = shop.engine.run(shop.busybox, ['/missing'], { stdin: 'pipe' });
      const written = new Promise((resolve) =>
        run.stdin!.end('x'.repeat(1_000_000), () => resolve(true)),
      );
      const code = await run.then(
        () => '',
        (error: unknown) => (error as CaissonError).code,
      );
      expect(code).to.equal('ERR_COMMAND_NOT_FOUND');
      expect(await written).to.equal(true);
    });
  });
});
