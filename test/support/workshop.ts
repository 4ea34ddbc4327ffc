/** What one test file has: an engine with directories of its own, and a small root to start containers from. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { CgroupLocation } from '../../lib/cgroup/cgroup-paths.js';
import { contextOf, Engine } from '../../lib/engine/engine.js';
import type { EngineContext, EngineOptions } from '../../lib/engine/engine-context.js';
import type { RunOptions } from '../../lib/engine/options/options.js';
import { rootfs, type RootfsImage, type RootfsOptions } from '../../lib/image/rootfs.js';
import { isRoot } from './needs.js';
import { Session } from './session.js';

/** The repository; this file is `dist/test/support/workshop.js` when it runs. */
const repository = fileURLToPath(new URL('../../../', import.meta.url));

/** Fills a directory with busybox, its applets and account files; returns its path. */
export function makeBusybox(directory: string): string {
  const script = join(repository, 'scripts/make-rootfs');
  execFileSync(script, ['busybox', directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  return directory;
}

export class Workshop {
  /** A root with busybox, an overlay above it. */
  readonly busybox: RootfsImage;
  private readonly others: Engine[] = [];

  private constructor(
    /** A fresh directory on the disk of the system's temporary directory; removed at the end. */
    readonly directory: string,
    readonly engine: Engine,
  ) {
    this.busybox = rootfs(makeBusybox(this.path('busybox')));
  }

  static async open(): Promise<Workshop> {
    const directory = await realpath(await mkdtemp(join(tmpdir(), 'caisson-test-')));
    try {
      return new Workshop(directory, await Engine.open(rootsIn(directory)));
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  path(...names: string[]): string {
    return join(this.directory, ...names);
  }

  /** What the engine keeps to itself. */
  get context(): EngineContext {
    return contextOf(this.engine);
  }

  /** Of runs: rootless ones have scopes, root's have none. */
  get runLocation(): CgroupLocation {
    return { cgroupSlice: isRoot ? undefined : this.context.slice };
  }

  /** Another engine on the same directories. */
  async openAnother(options: EngineOptions = {}): Promise<Engine> {
    const engine = await Engine.open({ ...rootsIn(this.directory), ...options });
    this.others.push(engine);
    return engine;
  }

  /** A copy of the busybox root, for tests that look at what becomes of it. */
  copyOfBusybox(name: string, options?: RootfsOptions): RootfsImage {
    return rootfs(makeBusybox(this.path(name)), options);
  }

  /** Runs a shell command in a container; fails the test unless it succeeds. */
  async sh(
    command: string,
    options: RunOptions = {},
    image: string | RootfsImage = this.busybox,
  ): Promise<string> {
    const result = await this.engine.run(image, ['sh', '-c', command], options);
    const { exitCode, stdout, stderr } = result;
    expect(exitCode, `sh -c '${command}'\n${stdout}${stderr}`).to.equal(0);
    return stdout.trimEnd();
  }

  /** A container with a shell in it that waits for commands. */
  session(options: RunOptions = {}, image: string | RootfsImage = this.busybox): Promise<Session> {
    return Session.open(this.engine, image, options);
  }

  /** Ends the engine, and fails when it has left anything in its directories, or a test a container, which is removed. */
  async close(): Promise<void> {
    try {
      const containers = await this.engine.list();
      for (const { config } of containers)
        await (await this.engine.get(config.id)).remove({ force: true });
      for (const engine of [...this.others, this.engine]) await engine.close();
      const left = await readdir(this.path('data/containers'));
      expect(left, 'left in the data root').to.deep.equal([]);
      expect(containers.map(({ config }) => config.name)).to.deep.equal(
        [],
        'containers that tests left',
      );
    } finally {
      // A supervisor that has removed its container may still be telling of that.
      await rm(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    }
  }
}

function rootsIn(directory: string): { dataRoot: string; runRoot: string } {
  return { dataRoot: join(directory, 'data'), runRoot: join(directory, 'run') };
}
