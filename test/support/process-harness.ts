/**
 * Child processes that are going to be killed, and the means to see whether anything that they started
 * lives on: each is put into a cgroup of its own, which its descendants inherit until they enter a
 * container's. That cgroup can be removed only when no process is left in it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { emptyCgroups, removeDeadRuns, testCgroupName } from './dead-runs.js';
import { processesIn, untilNothing } from './leftovers.js';
import { hierarchies } from './outside.js';
import { bundledFixture } from './paths.js';

/** Any hierarchy will do, as long as it has no files that must be filled in first. */
async function harnessHierarchy(): Promise<string> {
  const all = await hierarchies();
  const found =
    all.find(({ version }) => version === 2) ??
    all.find(({ controllers }) => !controllers.includes('cpuset'));
  if (found === undefined) throw new Error('this machine has no cgroups');
  return found.mountPoint;
}

/** Once in each process. */
let deadRunsRemoved: Promise<void> | undefined;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** One child: a Node program that writes JSON values, a line each. */
export class ProcessHarness {
  private readonly child: ChildProcess;
  private readonly lines: string[] = [];
  private waiting: (() => void) | undefined;
  /** Resolves when the process and all that holds its output are gone. */
  readonly ended: Promise<Ended>;

  /**
   * @param env variables on top of this process's own.
   * @param mounts in a mount namespace of its own, where no other process on the machine mounts anything; or one in which no
   *   cgroups are to be seen either.
   * @param within before its command: in a network namespace of the test's (NetworkNamespace).
   */
  static async start(
    program: string,
    argument: unknown,
    env: NodeJS.ProcessEnv = {},
    mounts: 'the host’s' | 'own' | 'own, without cgroups' = 'the host’s',
    within: readonly string[] = [],
  ): Promise<ProcessHarness> {
    await (deadRunsRemoved ??= removeDeadRuns());
    const cgroup = join(await harnessHierarchy(), testCgroupName());
    mkdirSync(cgroup);
    const loader = program.endsWith('.cjs') ? [bundledFixture('code-cache')] : [];
    const command = [process.execPath, ...loader, program, JSON.stringify(argument)];
    if (mounts === 'own, without cgroups')
      command.unshift('sh', '-c', 'mount -t tmpfs none /sys/fs/cgroup && exec "$0" "$@"');
    if (mounts !== 'the host’s') command.unshift('unshare', '--mount', '--propagation', 'private');
    command.unshift(...within);
    return new ProcessHarness(cgroup, command, { ...process.env, ...env });
  }

  private constructor(
    private readonly cgroup: string,
    command: readonly string[],
    env: NodeJS.ProcessEnv,
  ) {
    // A shell enters the cgroup and becomes the program: nothing runs outside even for a moment.
    this.child = spawn(
      '/bin/sh',
      ['-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', cgroup, ...command],
      { stdio: ['ignore', 'pipe', 'pipe'], env },
    );
    let stderr = '';
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    createInterface({ input: this.child.stdout! }).on('line', (line) => {
      this.lines.push(line);
      this.waiting?.();
    });
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        resolve({ code, signal, stderr });
        this.waiting?.();
      });
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** The next value that it wrote. */
  async next<T>(): Promise<T> {
    while (this.lines.length === 0) {
      const over = this.child.exitCode !== null || this.child.signalCode !== null;
      if (over) {
        const { code, signal, stderr } = await this.ended;
        if (this.lines.length > 0) break;
        throw new Error(`ended (${code ?? signal}) without a word: ${stderr}`);
      }
      await new Promise<void>((resolve) => (this.waiting = resolve));
    }
    return JSON.parse(this.lines.shift()!) as T;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** Processes that it started and that are in no container. */
  async descendants(): Promise<string[]> {
    const pids = await processesIn(this.cgroup);
    return pids.map((pid) => `process ${pid} ${nameOf(pid)}`);
  }

  /** Waits until nothing that it started is left, and lets go of it. */
  async gone(): Promise<void> {
    await this.ended;
    await untilNothing(() => this.descendants());
    await emptyCgroups([this.cgroup]);
  }

  /** For `after`: ends whatever is there, however the test went. Fails with what cannot be ended. */
  async cleanUp(): Promise<void> {
    this.kill();
    await emptyCgroups([this.cgroup]);
  }
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

/** Runs `work` on each item, a few at a time; all are tried, and all failures are told. */
export async function each<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const failures: string[] = [];
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        await work(item);
      } catch (error) {
        failures.push(`${JSON.stringify(item)}: ${String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failures.length > 0) {
    throw new Error(`${failures.length} of ${items.length} failed:\n${failures.join('\n')}`);
  }
}

/** Writes one JSON value: what a ProcessHarness's `next` reads. Synchronous, so that nothing is lost in a death. */
export function tell(value: unknown): void {
  writeFileSync(1, `${JSON.stringify(value)}\n`);
}
