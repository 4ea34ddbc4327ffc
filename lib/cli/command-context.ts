/** How a command finds containers. The engine is opened only if it is needed. */
import { detectCgroups } from '../cgroup/detect.js';
import type { CgroupLayout } from '../cgroup/layout.js';
import type { CgroupDriver } from '../cgroup/systemd/systemd.js';
import type { Container } from '../engine/container/container.js';
import type { ContainerContext } from '../engine/container/container-context.js';
import type { Engine } from '../engine/engine.js';
import type { StartContext, StartWarning } from '../engine/start/context.js';
import type { StartedExec } from '../engine/start/exec.js';
import { listContainers } from '../engine/container/list-containers.js';
import { print, warningText } from './report.js';
import { defaultPaths } from '../engine/store/paths.js';
import { Store } from '../engine/store/store.js';
import type { ContainerInfo } from '../engine/store/stored.js';

/** The engine's directories and its cgroup driver. */
export interface EngineLocation {
  readonly dataRoot?: string;
  readonly runRoot?: string;
  readonly cgroupDriver?: CgroupDriver;
}

export class CommandContext implements ContainerContext {
  readonly store: Store;
  #engine: Promise<Engine> | undefined;
  #cgroups: Promise<CgroupLayout> | undefined;

  constructor(private readonly location: EngineLocation) {
    this.store = new Store(defaultPaths(location));
    this.store.prepare();
  }

  /** The class is loaded only now: a list of containers does not need it. */
  async get(reference: string): Promise<Container> {
    const id = await this.store.find(reference);
    const { containerOf } = await import('../engine/container/container.js');
    return containerOf(this, id);
  }

  list(): Promise<ContainerInfo[]> {
    return listContainers(this);
  }

  cgroups(): Promise<CgroupLayout> {
    return (this.#cgroups ??= detectCgroups());
  }

  engine(): Promise<Engine> {
    return (this.#engine ??= openEngine(this.location));
  }

  async startContext(): Promise<StartContext> {
    const [engine, { contextOf }] = await Promise.all([
      this.engine(),
      import('../engine/engine.js'),
    ]);
    return contextOf(engine);
  }

  adopt(exec: StartedExec): void {
    void this.engine().then(async (engine) => {
      const { contextOf } = await import('../engine/engine.js');
      contextOf(engine).adopt(exec);
    });
  }

  async close(): Promise<void> {
    const engine = await this.#engine?.catch(() => undefined);
    await engine?.close();
  }
}

/** Loaded only now: help and usage errors need no addon. */
export async function openEngine(location: EngineLocation): Promise<Engine> {
  const { Engine } = await import('../engine/engine.js');
  const onWarning = (warning: StartWarning) => print(2, warningText(warning));
  return Engine.open({ ...location, onWarning });
}

/** Runs `work` with a context, and closes the context. */
export async function at<T>(
  location: EngineLocation,
  work: (context: CommandContext) => Promise<T>,
): Promise<T> {
  const context = new CommandContext(location);
  try {
    return await work(context);
  } finally {
    await context.close();
  }
}
