/** Where one soak happens: directories of its own, and everything that could be left of it on the machine. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deleteUnreadable } from '../../../lib/engine/container/recover.js';
import { Store } from '../../../lib/engine/store/store.js';
import { Engine } from '../../../lib/engine/engine.js';
import { rootfs, type RootfsImage } from '../../../lib/image/rootfs.js';
import { eventually, hierarchies, processesOf } from '../../support/outside.js';
import { makeBusybox } from '../../support/workshop.js';

const execute = promisify(execFile);

/** This file is `dist/test/soak/support/ground.js` when it runs. */
const repository = fileURLToPath(new URL('../../../../', import.meta.url));

export interface Roots {
  readonly dataRoot: string;
  readonly runRoot: string;
  /** Of the containers. */
  readonly busybox: string;
}

export class Ground implements Roots {
  readonly dataRoot: string;
  readonly runRoot: string;
  readonly busybox: string;
  readonly image: RootfsImage;
  readonly store: Store;
  private readonly crew = new Set<ChildProcess>();
  private readonly engines: Engine[] = [];

  private constructor(
    readonly directory: string,
    /** Aborted when the soak is to end: by its time limit, or by the user. */
    readonly signal: AbortSignal,
    readonly say: (text: string) => void,
  ) {
    this.dataRoot = join(directory, 'data');
    this.runRoot = join(directory, 'run');
    this.store = new Store(this);
    this.busybox = makeBusybox(join(directory, 'busybox'));
    this.image = rootfs(this.busybox);
  }

  static async open(signal: AbortSignal, say: (text: string) => void): Promise<Ground> {
    const directory = await mkdtemp(join(tmpdir(), 'caisson-soak-'));
    try {
      return new Ground(directory, signal, say);
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  async openEngine(): Promise<Engine> {
    const { dataRoot, runRoot } = this;
    const engine = await Engine.open({ dataRoot, runRoot });
    this.engines.push(engine);
    return engine;
  }

  /** What the command line shows. */
  async caisson(...args: string[]): Promise<string> {
    const { stdout } = await execute(process.execPath, this.commandLine(...args), {
      maxBuffer: 1 << 24,
    });
    return stdout;
  }

  /** Arguments for Node. */
  commandLine(...args: string[]): string[] {
    const roots = ['--data-root', this.dataRoot, '--run-root', this.runRoot];
    return [join(repository, 'bin/caisson'), ...roots, ...args];
  }

  /** Another Node process, which is told where and writes JSON values, a line each. */
  hand(program: string, task: object): Hand {
    const { dataRoot, runRoot, busybox } = this;
    const path = fileURLToPath(new URL(`../programs/${program}.js`, import.meta.url));
    const child = spawn(
      process.execPath,
      [path, JSON.stringify({ dataRoot, runRoot, busybox, ...task })],
      // In a process group of its own: Ctrl-C is for the process that cleans up.
      { stdio: ['ignore', 'pipe', 'inherit'], detached: true },
    );
    this.crew.add(child);
    child.once('exit', () => this.crew.delete(child));
    return new Hand(child);
  }

  /** Long ids of all containers that have ever been made here. */
  ids(): Set<string> {
    const ids = new Set(this.store.ids());
    for (const name of ['events', 'events.1']) {
      for (const [, id = ''] of textOf(join(this.runRoot, name)).matchAll(/"id":"([0-9a-f]{64})"/g))
        ids.add(id);
    }
    return ids;
  }

  /** Everything that containers of this place have outside of their own files, and those that have any. */
  async leftovers(): Promise<string[]> {
    const ids = this.ids();
    const found: string[] = [];
    const within = async (what: string, directory: string): Promise<void> => {
      for (const name of await readdir(directory).catch(() => [])) found.push(`${what} ${name}`);
    };
    await within('directory', this.store.containers);
    await within('name', this.store.names);
    await within('socket', this.store.sockets);
    for (const { mountPoint } of await hierarchies()) {
      const parent = join(mountPoint, 'caisson');
      for (const name of await readdir(parent).catch(() => []))
        if (ids.has(name)) found.push(`cgroup ${join(parent, name)}`);
    }
    for (const [id, pids] of supervisors())
      if (ids.has(id)) found.push(...pids.map((pid) => `supervisor ${pid} of ${id}`));
    const mounts = await readFile('/proc/self/mountinfo', 'utf8');
    found.push(...mounts.split('\n').filter((line) => line.includes(this.directory)));
    for (const name of ['ids', 'locks']) {
      for (const line of locksOn(join(this.runRoot, name))) found.push(`lock on ${name}: ${line}`);
    }
    return found;
  }

  /** Throws unless, soon, nothing is left. Engines of this process are closed before. */
  async expectNothing(): Promise<void> {
    await this.closeEngines();
    await eventually(async () => {
      const found = await this.leftovers();
      if (found.length > 0)
        throw new Error(`left behind (${found.length}):\n  ${found.slice(0, 20).join('\n  ')}`);
    });
  }

  private async closeEngines(): Promise<void> {
    for (const engine of this.engines.splice(0)) await engine.close();
  }

  /** Ends and removes everything, however the soak went. */
  async clear(): Promise<void> {
    await Promise.all(
      [...this.crew].map(async (child) => {
        const exit = once(child, 'exit');
        child.kill('SIGKILL');
        await exit;
      }),
    );
    const engine = await this.openEngine();
    for (const id of this.store.ids()) {
      try {
        await (await engine.get(id)).remove({ force: true });
      } catch {
        // The soak has found a fault: by hand, then.
        for (const pid of supervisors().get(id) ?? []) killIfThere(pid);
        for (const pid of await processesOf(id)) killIfThere(pid);
        await deleteUnreadable(this.store, id).catch((error: unknown) =>
          this.say(`cannot clear ${id}: ${String(error)}`),
        );
      }
    }
    await this.closeEngines();
    await rm(this.directory, { recursive: true, force: true });
  }
}

export class Hand {
  private readonly lines: AsyncIterator<string>;

  constructor(private readonly child: ChildProcess) {
    this.lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  async next<T>(): Promise<T> {
    const line = await this.lines.next();
    if (line.done === true)
      throw new Error(`process ${this.child.pid} ended without a word (${this.child.exitCode})`);
    return JSON.parse(line.value) as T;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exit;
  }
}

/** Of all containers on this machine, by long id. The id is the last argument of a supervisor's. */
export function supervisors(): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const words = textOf(`/proc/${pid}/cmdline`).split('\0');
    const id = words.findLast((word) => word !== '');
    if (words[0] !== 'caisson-supervisor' || id === undefined) continue;
    found.set(id, [...(found.get(id) ?? []), Number(pid)]);
  }
  return found;
}

/** In the container's v1 freezer, or on v2. */
export function processesIn(id: string): number[] {
  const found = ['freezer/', 'unified/', ''].flatMap((hierarchy) =>
    textOf(`/sys/fs/cgroup/${hierarchy}caisson/${id}/cgroup.procs`).split('\n'),
  );
  return [...new Set(found.filter((line) => line !== '').map(Number))];
}

/** Lines of proc_locks(5) that are about the file. */
function locksOn(path: string): string[] {
  let inode: number;
  try {
    inode = statSync(path).ino;
  } catch {
    return [];
  }
  return textOf('/proc/locks')
    .split('\n')
    .filter((line) => line.split(/\s+/)[5]?.endsWith(`:${inode}`) === true);
}

export function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

/** Empty when it is not there, or not any more. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

export function load(): string {
  return `load ${loadavg()
    .map((value) => value.toFixed(1))
    .join(' ')}`;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** Does it to all, so many at once. The first failure ends it. */
export async function atOnce<T>(
  count: number,
  items: Iterable<T>,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const queue = [...items].entries();
  await Promise.all(
    Array.from({ length: count }, async () => {
      for (const [index, item] of queue) await work(item, index);
    }),
  );
}
