/**
 * Runs inside a Node process with a heap of a given size, and starts programs from there: containers by caisson,
 * plain processes by `child_process.spawn`. `node node-worker.js HEAP_MIB DIRECTORY ROOT`, then lines
 * "WHAT COUNT SPACING_MS" on stdin, for what stands in `openers`; or "run-stdout", "exec-stdin" and the like, for bytes.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import type { Container } from '../lib/engine/container/container.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { Engine, type Execution, type Pool, rootfs, type RunOptions } from '../lib/index.js';
import { PYTHON, serve, type Starter } from './starters.js';

const [heapMib = '50', directory = '', root = ''] = process.argv.slice(2);

/**
 * Live, touched memory in the JavaScript heap: arrays of 32 KiB, because larger ones would lie in huge pages, which
 * a fork copies at no cost, and real heaps are made of small things.
 */
const ballast: number[][] = [];
while (ballast.length < (Number(heapMib) - 8) * 32) {
  ballast.push(new Array<number>(4096).fill(ballast.length + 0.5));
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

/**
 * Starts as jobs are: with the same options, and each with an argument and a variable of its own.
 *
 * @param varied false: with the same ones each time, for comparison
 */
function openJobs(varied: boolean, volume: boolean): () => Promise<Starter> {
  return async () => {
    const engine = await openEngine();
    const options = volume ? { ...LIMITS, volumes: [`${directory}:/volume`] } : LIMITS;
    let job = 0;
    return {
      start: async () => {
        if (varied) job++;
        const env = { JOB: `${job}` };
        return (await engine.run(rootfs(root), ['/true', `${job}`], { ...options, env })).exitCode;
      },
      [Symbol.asyncDispose]: async () => {
        await engine[Symbol.asyncDispose]();
      },
    };
  };
}

/** @param created whether the network is one that was created, with names */
function openNetwork(options: RunOptions, created = false): () => Promise<Starter> {
  return async () => {
    const engine = await openEngine();
    const name = `bench-${process.pid}`;
    if (created) await engine.networks.create(name);
    const all = { ...LIMITS, ...options, ...(created ? { network: name } : {}) };
    return {
      start: async () => (await engine.run(rootfs(root), ['/true'], all)).exitCode,
      [Symbol.asyncDispose]: async () => {
        await engine[Symbol.asyncDispose]();
        if (!created) return;
        const last = await openEngine();
        await last.networks.remove(name);
        await last[Symbol.asyncDispose]();
      },
    };
  };
}

/** A job of a pool in which a container waits. */
async function openPool(): Promise<Starter> {
  const engine = await openEngine();
  const pool = await engine.pool(rootfs(root), ['/true'], LIMITS, { size: 2 });
  return {
    start: async () => (await pool.run()).exitCode,
    after: () => untilReady(pool),
    [Symbol.asyncDispose]: async () => {
      await engine[Symbol.asyncDispose]();
    },
  };
}

const SCRIPT = 'import sys\nprint("ready", flush=True)\nprint(sys.stdin.readline(), flush=True)';

/** Until what it has written for its job has come. @param waits for the job, in a pool */
function openPython(waits: boolean): () => Promise<Starter> {
  return async () => {
    const engine = await openEngine();
    const argv = [PYTHON, '-c', SCRIPT];
    const pool = waits
      ? await engine.pool('host', argv, LIMITS, { size: 2, ready: { log: 'ready' } })
      : undefined;
    let last: Execution | undefined;
    return {
      start: async () => {
        if (pool !== undefined) last = pool.run({ stdin: 'job\n' });
        else {
          last = engine.run('host', argv, { ...LIMITS, stdin: 'pipe' });
          last.stdin?.end('job\n');
        }
        for await (const line of last) if (line === 'job') return 0;
        return 1;
      },
      after: async () => {
        await last;
        if (pool !== undefined) await untilReady(pool);
      },
      [Symbol.asyncDispose]: async () => {
        await engine[Symbol.asyncDispose]();
      },
    };
  };
}

async function untilReady(pool: Pool): Promise<void> {
  while (pool.stats().ready < pool.stats().size) await sleep(1);
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

/** A program that has been started, by whatever. */
interface Program {
  readonly stdin?: Writable | null | undefined;
  readonly stdout?: Readable | null | undefined;
  readonly ended: PromiseLike<number | null>;
}

const COUNT = 3052;
/** 200 MB as fast as a program can write them, and one that reads everything. */
const SOURCE = ['dd', 'if=/dev/zero', 'bs=64k', `count=${COUNT}`];
const SINK = ['sh', '-c', 'exec cat >/dev/null'];

/** Reads what it writes, and counts it. */
async function takeAll(stream: Readable): Promise<void> {
  let size = 0;
  stream.on('data', (chunk: Buffer) => (size += chunk.length));
  await once(stream, 'end');
  if (size !== COUNT << 16) throw new Error(`${size} bytes have come`);
}

/** Writes as much, and waits whenever it is told to. */
async function giveAll(stream: Writable): Promise<void> {
  const chunk = Buffer.alloc(1 << 16, 'x');
  for (let i = 0; i < COUNT; i++) if (!stream.write(chunk)) await once(stream, 'drain');
  stream.end();
}

function streamer(
  stream: string,
  begin: (argv: readonly string[], stdin: 'pipe' | 'null') => Program,
  close: () => Promise<void>,
): Starter {
  return {
    start: async () => {
      const gives = stream === 'stdin';
      const { stdin, stdout, ended } = begin(gives ? SINK : SOURCE, gives ? 'pipe' : 'null');
      if (gives && stdin) await giveAll(stdin);
      else if (stdout) await takeAll(stdout);
      return await ended;
    },
    [Symbol.asyncDispose]: close,
  };
}

function openSpawnStreamer(stream: string): Promise<Starter> {
  const begin = (argv: readonly string[], stdin: 'pipe' | 'null'): Program => {
    const child = spawn(`${root}/bin/busybox`, argv, {
      stdio: [stdin === 'pipe' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    });
    child.stderr?.resume();
    const ended = once(child, 'close').then(([code]) => code as number | null);
    return { stdin: child.stdin, stdout: child.stdout, ended };
  };
  return Promise.resolve(streamer(stream, begin, () => Promise.resolve()));
}

/** What `spawn` makes are sockets; a container's streams are pipes, which can be opened again as /dev/stdin. */
function openPipeStreamer(stream: string): Promise<Starter> {
  const gives = stream === 'stdin';
  const path = `${directory}/${stream}-${heapMib}`;
  execFileSync('mkfifo', [path]);
  const begin = (argv: readonly string[]): Program => {
    const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK } = constants;
    // Without it the first of the two to be opened would wait for the other.
    const both = openSync(path, O_RDWR);
    const near = openSync(path, (gives ? O_WRONLY : O_RDONLY) | O_NONBLOCK);
    const far = openSync(path, gives ? O_RDONLY : O_WRONLY);
    closeSync(both);
    const child = spawn(`${root}/bin/busybox`, argv, {
      stdio: gives ? [far, 'ignore', 'ignore'] : ['ignore', far, 'ignore'],
    });
    closeSync(far);
    const socket = new Socket({ fd: near, readable: !gives, writable: gives });
    const ended = once(child, 'close').then(([code]) => code as number | null);
    return { stdin: socket, stdout: socket, ended };
  };
  const close = () => {
    rmSync(path);
    return Promise.resolve();
  };
  return Promise.resolve(streamer(stream, begin, close));
}

async function openRunStreamer(stream: string): Promise<Starter> {
  const engine = await openEngine();
  const begin = (argv: readonly string[], stdin: 'pipe' | 'null'): Program => {
    const run = engine.run(rootfs(root), argv, { stdin });
    return { stdin: run.stdin, stdout: run.stdout, ended: run.then(({ exitCode }) => exitCode) };
  };
  return streamer(stream, begin, () => engine[Symbol.asyncDispose]());
}

async function openExecStreamer(stream: string): Promise<Starter> {
  const engine = await openEngine();
  const container = await engine.create(rootfs(root), ['sleep', '100000']);
  await container.start();
  const begin = (argv: readonly string[], stdin: 'pipe' | 'null'): Program => {
    const exec = container.exec(argv, { stdin });
    return { stdin: exec.stdin, stdout: exec.stdout, ended: exec.then(({ exitCode }) => exitCode) };
  };
  return streamer(stream, begin, async () => {
    await container.remove({ force: true });
    await engine[Symbol.asyncDispose]();
  });
}

// A constant of a module that nobody reads again is garbage.
Object.assign(globalThis, { ballast });

const openers: Readonly<Record<string, () => Promise<Starter>>> = {
  spawn: () => Promise.resolve(spawner),
  caisson: openCaisson,
  'same-job': openJobs(false, false),
  'other-job': openJobs(true, false),
  'same-job-volume': openJobs(false, true),
  'other-job-volume': openJobs(true, true),
  'network-none': openNetwork({ network: 'none' }),
  'network-bridge': openNetwork({ network: 'bridge' }),
  'network-policy': openNetwork({ network: { allow: ['198.51.100.1:443', '10.0.0.0/8:5432'] } }),
  'network-policy-name': openNetwork({ network: { allow: ['*.bench.example:443'] } }),
  'network-port': openNetwork({ network: 'bridge', ports: ['8080:80'] }),
  'network-created': openNetwork({}, true),
  'pool-parked': openPool,
  'python-cold': openPython(false),
  'python-warm': openPython(true),
  exec: openExec,
  detached: openDetached,
  'spawn-stdout': () => openSpawnStreamer('stdout'),
  'spawn-stdin': () => openSpawnStreamer('stdin'),
  'pipe-stdout': () => openPipeStreamer('stdout'),
  'pipe-stdin': () => openPipeStreamer('stdin'),
  'run-stdout': () => openRunStreamer('stdout'),
  'run-stdin': () => openRunStreamer('stdin'),
  'exec-stdout': () => openExecStreamer('stdout'),
  'exec-stdin': () => openExecStreamer('stdin'),
};
await serve((what) => openers[what]?.());
