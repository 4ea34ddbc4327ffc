/** Clients of detached containers: streams, terminals, back-pressure, and output that is not lost. */
import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Attached } from '../../lib/engine/supervisor/attached.js';
import type { Container } from '../../lib/engine/container/container.js';
import { MAX_CLIENTS } from '../../lib/engine/container/supervisor-client.js';
import {
  type DetachedContainers,
  logBytes,
  logOf,
  refused,
  statusIs,
  untilLogged,
  setUpDetached,
} from '../support/detached.js';
import { ProcessHarness } from '../support/process-harness.js';
import { eventually, holdsFor, sleep, settled } from '../support/outside.js';
import { fixture } from '../support/paths.js';
import { needsRoot } from '../support/needs.js';
import type { Workshop } from '../support/workshop.js';
import type { AttachOneTask } from './fixtures/attach-one.js';

const TICKING = 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done';

/** All that a stream gives, as it comes. */
class Heard {
  private readonly chunks: Buffer[] = [];
  readonly ended: Promise<Buffer>;

  constructor(stream: NodeJS.ReadableStream | undefined) {
    this.ended = new Promise((resolve) => {
      stream!.on('data', (chunk: Buffer) => this.chunks.push(chunk));
      stream!.on('end', () => resolve(Buffer.concat(this.chunks)));
    });
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }

  until(text: string | RegExp): Promise<void> {
    return eventually(() => {
      if (typeof text === 'string') expect(this.text).to.include(text);
      else expect(this.text).to.match(text);
    });
  }
}

const clients = needsRoot('a cgroup to find what a client has left');

describe('attached clients', function () {
  this.timeout(60_000);
  let shop: Workshop;
  let detached: DetachedContainers;
  const harnesses: ProcessHarness[] = [];

  afterEach(async () => {
    for (const harness of harnesses.splice(0)) await harness.cleanUp();
  });
  setUpDetached((made) => ({ shop, detached } = made));

  /** Attached in a process of its own. In a record as all clients are. */
  const attachElsewhere = async (container: Container, read: boolean) => {
    const task: AttachOneTask = { directory: shop.directory, id: container.id, read };
    const harness = await ProcessHarness.start(fixture('attach-one'), task);
    harnesses.push(harness);
    expect(await harness.next<string>()).to.equal('attached');
    return harness;
  };

  const pattern = (size: number) => {
    const bytes = Buffer.alloc(size);
    for (let i = 0, x = 7; i < size; i++) {
      x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
      bytes[i] = x >>> 16;
    }
    return bytes;
  };

  describe('clients attached from the beginning', () => {
    it('Attached clients give a megabyte to cat and get it back', async () => {
      const { container, client } = await detached.startAttached(['cat'], {
        openStdin: true,
        stdinOnce: true,
      });
      const heard = new Heard(client.stdout);
      const bytes = pattern(1 << 20);
      client.stdin!.end(bytes);
      const exit = await client;
      expect(exit).to.include({ exitCode: 0, oomKilled: false, detached: false });
      expect((await heard.ended).equals(bytes), 'what came back').to.equal(true);
      expect((await logBytes(container)).equals(bytes), 'the log').to.equal(true);
    });

    it('Attached clients miss nothing of a program that ends at once, on two streams', async () => {
      for (let round = 0; round < 10; round++) {
        const { client } = await detached.startAttached('echo out; echo err >&2; exit 4');
        const [out, err] = [new Heard(client.stdout), new Heard(client.stderr)];
        expect((await client).exitCode).to.equal(4);
        expect(String(await out.ended)).to.equal('out\n');
        expect(String(await err.ended)).to.equal('err\n');
        expect(client.timeline, 'a timeline').not.to.equal(undefined);
      }
    });

    it('Attached clients learn when the program has begun, and which signal ends it', async () => {
      const { container, client } = await detached.startAttached(['sleep', '1000']);
      await client.started;
      await statusIs(container, 'running');
      await client.kill('SIGTERM');
      expect(await client).to.include({ exitCode: 143, signal: 'SIGTERM' });
    });

    it('Attached clients have no input that was not asked for', async () => {
      const { client } = await detached.startAttached('cat; echo end');
      expect(client.stdin).to.equal(undefined);
      const heard = new Heard(client.stdout);
      await client;
      expect(String(await heard.ended)).to.equal('end\n');
    });

    it('Attached clients can be read line by line', async () => {
      const { client } = await detached.startAttached('seq 1 1000');
      const lines: string[] = [];
      for await (const line of client) lines.push(line);
      expect(lines).to.deep.equal(Array.from({ length: 1000 }, (_, i) => `${i + 1}`));
      expect((await client).exitCode).to.equal(0);
    });

    it('Attached clients stay when many others connect', async () => {
      const { container, client } = await detached.startAttached('read line; exit 6', {
        openStdin: true,
        stdinOnce: true,
      });
      await client.started;
      // By descriptor: the address of a socket has room for 107 bytes, and a path below /var/tmp has more.
      const directory = openSync(join(shop.directory, 'run/supervisors'), 'r');
      const path = `/proc/self/fd/${directory}/${container.id}`;
      const others = Array.from({ length: MAX_CLIENTS + 6 }, () => connect(path));
      try {
        let closed = 0;
        for (const other of others) other.on('close', () => closed++).resume();
        // All but MAX_CLIENTS have had to leave: one of those is the client.
        await eventually(() => expect(closed).to.equal(7));
        client.stdin!.end('go\n');
        expect(await client).to.include({ exitCode: 6 });
      } finally {
        for (const other of others) other.destroy();
        closeSync(directory);
      }
    });
  });

  describe('clients attached later', () => {
    it('A client that attaches later gets what comes from then on; what was before is in the log only', async () => {
      const container = await detached.start('echo before; read x; echo after $x', {
        openStdin: true,
      });
      await untilLogged(container, 'before');
      const client = container.attach();
      const heard = new Heard(client.stdout);
      await client.started;
      client.stdin!.write('now\n');
      expect((await client).exitCode).to.equal(0);
      expect(String(await heard.ended)).to.equal('after now\n');
      expect(await logOf(container)).to.equal('before\nafter now\n');
    });

    it('All clients that attach later get the same output', async () => {
      const container = await detached.start('read x; seq 1 20000; seq 1 100 >&2', {
        openStdin: true,
      });
      const clients = Array.from({ length: 8 }, () => container.attach());
      const heard = clients.map(({ stdout, stderr }) => [new Heard(stdout), new Heard(stderr)]);
      await Promise.all(clients.map((client) => client.started));
      clients[3]!.stdin!.write('go\n');
      for (const client of clients) expect((await client).exitCode).to.equal(0);
      const count = (to: number) => Array.from({ length: to }, (_, i) => `${i + 1}\n`).join('');
      for (const [out, err] of heard) {
        expect(String(await out!.ended)).to.equal(count(20_000));
        expect(String(await err!.ended)).to.equal(count(100));
      }
    });

    it('Clients choose their streams', async () => {
      const container = await detached.start('read x; echo out; echo err >&2', { openStdin: true });
      const mute = container.attach({ stdout: false, stderr: false });
      const out = container.attach({ stdin: false, stderr: false });
      const heard = new Heard(out.stdout);
      expect([mute.stdout, mute.stderr, out.stdin, out.stderr]).to.deep.equal(
        Array(4).fill(undefined),
      );
      await Promise.all([mute.started, out.started]);
      mute.stdin!.write('\n');
      await Promise.all([mute, out]);
      expect(String(await heard.ended)).to.equal('out\n');
    });

    it('The input of a client arrives although the client leaves at once', async () => {
      const container = await detached.start('sleep 0.5; wc -c; sleep 1000', {
        openStdin: true,
        stdinOnce: true,
      });
      const client = container.attach();
      await client.started;
      // More than a pipe holds, less than pipe and supervisor together.
      await new Promise<void>((resolve) => client.stdin!.end(pattern(100_000), () => resolve()));
      client.detach();
      await untilLogged(container, '100000');
    });

    it('Clients see a restart by policy as the end', async () => {
      const container = await detached.start('read x; exit 3', {
        openStdin: true,
        restart: 'always',
      });
      const client = container.attach();
      await client.started;
      client.stdin!.write('\n');
      expect(await client).to.include({ exitCode: 3, detached: false });
      await eventually(async () => {
        expect((await container.inspect()).state).to.include({
          status: 'running',
          restartCount: 1,
        });
      });
      const again = container.attach();
      await again.started;
      again.stdin!.write('\n');
      expect((await again).exitCode).to.equal(3);
    });

    it('Clients are refused where nothing runs', async () => {
      const container = await detached.create('true');
      const client = container.attach();
      await refused(client, 'ERR_CONTAINER_NOT_RUNNING');
      await refused(client.started, 'ERR_CONTAINER_NOT_RUNNING');
    });
  });

  describe('clients that leave', () => {
    it('A client leaves and the container runs on', async () => {
      const container = await detached.start(TICKING);
      const client = container.attach();
      const heard = new Heard(client.stdout);
      await heard.until(/\d+\n\d+\n/);
      client.detach();
      expect(await client).to.include({ exitCode: -1, detached: true });
      await statusIs(container, 'running');
      const { length } = await logOf(container);
      await eventually(async () => expect((await logOf(container)).length).to.be.above(length));
    });

    it('A client leaves by leaving a loop, or a scope', async () => {
      const container = await detached.start(TICKING);
      let client = container.attach();
      for await (const line of client) if (Number(line) > 0) break;
      expect((await client).detached).to.equal(true);
      {
        await using scoped = container.attach();
        await scoped.started;
        client = scoped;
        void client;
      }
      await statusIs(container, 'running');
    });

    it('The input stays open when a client leaves, unless the container has stdinOnce', async () => {
      const container = await detached.start('while read x; do echo got $x; done; echo closed', {
        openStdin: true,
      });
      for (const word of ['one', 'two']) {
        const client = container.attach();
        await client.started;
        client.stdin!.end(`${word}\n`);
        await untilLogged(container, `got ${word}`);
        client.detach();
      }
      await holdsFor(100, () => statusIs(container, 'running'));

      const once = await detached.start('cat; echo closed', { openStdin: true, stdinOnce: true });
      const watcher = once.attach({ stdin: false });
      await watcher.started;
      watcher.detach();
      await holdsFor(100, () => statusIs(once, 'running'));
      const client = once.attach();
      await client.started;
      client.stdin!.write('said\n');
      await untilLogged(once, 'said');
      client.detach();
      expect((await once.wait()).exitCode).to.equal(0);
      expect(await logOf(once)).to.equal('said\nclosed\n');
    });

    it('The log is whole after a client was killed in the middle of much output', async () => {
      const container = await detached.start('seq 1 300000', { logOptions: { 'max-size': '-1' } });
      await Promise.all(
        [0, 1, 2].map(async (index) => {
          const harness = await attachElsewhere(container, index > 0).catch(() => undefined);
          await sleep(20 * index); // each client is killed at another moment of the output
          harness?.kill();
        }),
      );
      expect((await container.wait()).exitCode).to.equal(0);
      const wanted = Array.from({ length: 300_000 }, (_, i) => `${i + 1}\n`).join('');
      expect((await logBytes(container)).equals(Buffer.from(wanted))).to.equal(true);
    });
  });

  describe('clients that do not read', () => {
    it('A client that does not read learns of the start of the program, also behind its output', async () => {
      for (let round = 0; round < 20; round++) {
        const { client } = await detached.startAttached('seq 1 100000');
        client.stdout!.on('data', () => undefined).pause();
        await client.started;
        client.stdout!.resume();
        expect((await client).exitCode).to.equal(0);
      }
    });

    clients.it(
      'Clients that do not read hold the container back, as long as they are attached',
      async () => {
        const container = await detached.start('yes 0123456789012345678901234567890123456789', {
          logOptions: { 'max-size': '-1' },
        });
        const harness = await attachElsewhere(container, false);
        // Not read: where everything is slow, there is much until this client is there.
        const size = async () => (await stat(detached.path(container, 'json.log'))).size;
        // It writes until all that lies between is full, and then no more.
        const before = await settled(size, 1000);
        harness.kill();
        await eventually(async () => expect(await size()).to.be.above(before + 100_000));
        await container.kill();
      },
    );

    it('Clients that do not read get all when they read at last, after the program’s end, too', async () => {
      const container = await detached.start('read x; seq 1 60000', { openStdin: true });
      const client = container.attach();
      await client.started;
      const { stdout } = client;
      stdout!.pause();
      client.stdin!.write('\n');
      await sleep(6000); // longer than output may outlive its program
      const heard = new Heard(stdout);
      stdout!.resume();
      expect((await client).exitCode).to.equal(0);
      const wanted = Array.from({ length: 60_000 }, (_, i) => `${i + 1}\n`).join('');
      expect(String(await heard.ended)).to.equal(wanted);
      expect(await logOf(container)).to.equal(wanted);
    });

    clients.it('Clients that do not read do not keep the container from being killed', async () => {
      const container = await detached.start('yes');
      const harness = await attachElsewhere(container, false);
      await sleep(500); // the client's pipes fill up: nothing tells when they are full
      const begin = performance.now();
      await container.kill();
      expect(performance.now() - begin).to.be.below(15_000);
      expect((await container.inspect()).state.exitCode).to.equal(137);
      harness.kill();
      await detached.expectQuiet(container);
    });
  });

  it('Clients that read late get a hundred megabytes whole', async function () {
    this.timeout(120_000);
    const { client } = await detached.startAttached('yes 0123456789abcdef | head -c 104857600', {
      logDriver: 'none',
    });
    const hash = createHash('sha256');
    let size = 0;
    client.stdout!.on('data', (chunk: Buffer) => {
      size += chunk.length;
      hash.update(chunk);
    });
    expect((await client).exitCode).to.equal(0);
    expect(size).to.equal(104_857_600);
    const block = '0123456789abcdef\n';
    const wanted = Buffer.from(block.repeat(Math.ceil(size / block.length))).subarray(0, size);
    expect(hash.digest('hex')).to.equal(createHash('sha256').update(wanted).digest('hex'));
  });

  it('Clients learn of an end that comes while they write', async () => {
    const much = Buffer.alloc(2 << 20, 'x\n');
    for (let round = 0; round < 20; round++) {
      const options = { openStdin: true, stdinOnce: true, autoRemove: true };
      const { client } = await detached.startAttached(['head', '-n', '1'], options);
      client.stdin!.on('error', () => undefined);
      client.stdin!.end(much);
      expect((await client).exitCode, `round ${round}`).to.equal(0);
    }
  });

  describe('clients with a terminal', () => {
    const TTY = { tty: { cols: 80, rows: 24 }, openStdin: true };

    it('A client types and sees what is echoed', async () => {
      const { container, client } = await detached.startAttached(['sh'], TTY);
      expect(client.stderr).to.equal(undefined);
      const heard = new Heard(client.stdout);
      await client.started;
      client.stdin!.write('stty size; echo to-err >&2; tty\n');
      await heard.until(/24 80\r\nto-err\r\n\/dev\/(pts\/0|console)\r\n/);
      client.resize({ cols: 132, rows: 50 });
      client.stdin!.write('stty size\n');
      await heard.until('50 132\r\n');
      client.stdin!.write('exit 6\n');
      expect((await client).exitCode).to.equal(6);
      const log = await logOf(container);
      expect(log).to.include('50 132\r\n');
      expect(log).to.equal(String(await heard.ended));
    });

    it('A client keeps its size when the program is run again', async () => {
      const script = 'stty size; read line; exit 1';
      const { container, client } = await detached.startAttached(script, {
        ...TTY,
        restart: 'on-failure:1',
      });
      await client.started;
      await untilLogged(container, '24 80');
      client.resize({ cols: 132, rows: 50 });
      client.stdin!.write('\n');
      await untilLogged(container, '50 132');
    });

    it('A client changes the size of its terminal: the program gets SIGWINCH', async () => {
      const container = await detached.start(
        "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done",
        TTY,
      );
      await untilLogged(container, 'ready');
      const client: Attached = container.attach();
      const heard = new Heard(client.stdout);
      client.resize({ cols: 100, rows: 30 });
      await heard.until('30 100');
      client.detach();
      const another = container.attach();
      const again = new Heard(another.stdout);
      await another.started;
      another.resize({ cols: 101, rows: 30 });
      await again.until('30 101');
      another.detach();
      await container.stop({ timeout: 0 });
    });

    it('A client interrupts the program by ^C and ends its input by ^D', async () => {
      const container = await detached.start(['cat'], TTY);
      const client = container.attach();
      const heard = new Heard(client.stdout);
      await client.started;
      client.stdin!.write('hello\n');
      await heard.until('hello\r\nhello\r\n');
      client.stdin!.write('\u0004');
      expect((await client).exitCode).to.equal(0);
      await container.start();
      const next = container.attach();
      await next.started;
      next.stdin!.write('\u0003');
      expect((await next).exitCode).to.equal(130);
    });

    it('A client leaves the terminal, and its input stays open also with stdinOnce', async () => {
      const container = await detached.start(['cat'], { ...TTY, stdinOnce: true });
      const client = container.attach();
      await client.started;
      client.detach();
      await holdsFor(200, () => statusIs(container, 'running'));
    });

    it('A client gets much output of a terminal whole', async () => {
      const { client } = await detached.startAttached('stty -opost; seq 1 100000', TTY);
      const heard = new Heard(client.stdout);
      expect((await client).exitCode).to.equal(0);
      const wanted = Array.from({ length: 100_000 }, (_, i) => `${i + 1}\n`).join('');
      expect(String(await heard.ended)).to.equal(wanted);
    });
  });
});
