/** The engine: where containers are made, and what they share. */
import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { detectCgroups } from '../cgroup/detect.js';
import type { CgroupLayout } from '../cgroup/layout.js';
import { evacuateRoot } from '../cgroup/evacuate.js';
import { cgroupLocation } from '../cgroup/parent.js';
import { planCgroups } from '../cgroup/limits/plan.js';
import { type CgroupDriver, sliceFor } from '../cgroup/systemd/systemd.js';
import { CaissonError } from '../base/errors.js';
import type { RootfsImage } from '../image/rootfs.js';
import type { Binding } from '../native/binding.js';
import { loadNative } from '../native/load.js';
import { compileEngineTeardown, compileTeardown, parentsOf } from '../program/compile.js';
import type { KernelFacts } from '../program/shared.js';
import { PARENT_LINK } from '../program/host-phase/compile-host.js';
import { Encoder, type Fault } from '../program/encode.js';
import { explain } from '../program/explain.js';
import { checkOptions, invalid, isRecord } from '../base/check.js';
import type { HostFacts } from './options/config.js';
import { thermalThrottlePaths } from '../host/cpu-masks.js';
import type { Container } from './container/container.js';
import type { Pruned } from './container/prune-containers.js';
import type { CreateOptions } from './options/create-options.js';
import type { StartedExec } from './start/exec.js';
import { type EventOptions, followEvents } from './store/event-log.js';
import { Execution } from './start/execution.js';
import { IdRanges } from './start/id-ranges.js';
import { newId } from '../base/ids.js';
import { machineInfo } from '../info/info.js';
import type { MachineInfo } from '../info/machine-info.js';
import { launch } from './start/launch.js';
import type { RunOptions } from './options/options.js';
import { findAbandoned, ownerName } from '../host/owner.js';
import { findUserNamespaceIds, isRoot, type UserNamespaceIds } from '../host/user-namespace-ids.js';
import { defaultPaths } from './store/paths.js';
import { prepare, prepareDetached, type Prepared, recall } from './start/prepare.js';
import type { StartContext } from './start/context.js';
import { type Paths, Store } from './store/store.js';
import type { ContainerEvent, ContainerInfo } from './store/stored.js';
import { tearDown } from './container/tear-down.js';

export interface EngineOptions {
  /**
   * What outlives a reboot: images, containers' files. Default `/var/lib/caisson`; a user's: `$XDG_DATA_HOME/caisson`.
   * Relative to the working directory when the engine is opened, as `runRoot` is.
   */
  readonly dataRoot?: string | undefined;
  /** What does not: locks. Default `/run/caisson`; a user's: `$XDG_RUNTIME_DIR/caisson`. */
  readonly runRoot?: string | undefined;
  /**
   * Who makes the cgroups of containers that are kept: systemd a scope for each, or caisson below a directory of its
   * own. Default: systemd where there is nothing but cgroup v2 and systemd manages it. A container stays with what it
   * was created with.
   */
  readonly cgroupDriver?: CgroupDriver | undefined;
  /** @internal Makes one step of every start fail or be killed; for tests, in debug builds of the addon. */
  readonly fault?: Fault | undefined;
}

/** Also the context of its starts and containers (StartContext, ContainerContext), by members that are not declared to users. */
export class Engine {
  /** @internal */
  readonly encoder = new Encoder();
  private readonly executions = new Set<Execution>();
  /** Somebody waits until none of them is left. */
  private whenIdle: (() => void) | undefined;
  private closing: Promise<void> | undefined;

  private constructor(
    /** @internal */
    readonly store: Store,
    /** @internal */
    readonly binding: Binding,
    /** @internal */
    readonly layout: CgroupLayout,
    /** @internal */
    readonly kernel: KernelFacts,
    /** @internal */
    readonly host: HostFacts,
    /** @internal */
    readonly owner: string,
    /** @internal */
    readonly idRanges: IdRanges,
    /** @internal */
    readonly users: UserNamespaceIds | undefined,
    /** @internal */
    readonly slice: string | undefined,
    /** @internal */
    readonly fault: Fault | undefined,
  ) {}

  get dataRoot(): string {
    return this.store.paths.dataRoot;
  }

  /** @internal */
  get containersRoot(): string {
    return this.store.containers;
  }

  /** @internal */
  startContext(): Promise<StartContext> {
    return Promise.resolve(this);
  }

  /** @internal */
  cgroups(): Promise<CgroupLayout> {
    return Promise.resolve(this.layout);
  }

  /** @internal */
  adopt({ execution, gone }: StartedExec): void {
    this.executions.add(execution);
    void gone.then(() => this.isOver(execution));
  }

  /**
   * Removes containers that do not run.
   *
   * @param chosen default: all of them.
   */
  async prune(chosen?: (info: ContainerInfo) => boolean): Promise<Pruned> {
    const { pruneContainers } = await import('./container/prune-containers.js');
    return pruneContainers(this, chosen);
  }

  /** What happens to containers that are kept, whoever does it: with `since` also what has happened. */
  events(options: EventOptions = {}): AsyncGenerator<ContainerEvent> {
    return followEvents(this.store.paths.runRoot, checkOptions(options));
  }

  /**
   * Looks at the machine, and tears down what containers of dead processes left behind.
   *
   * @throws ERR_NATIVE_LOAD, ERR_NO_PRIVILEGES, ERR_SYSTEMD
   */
  static async open(options: EngineOptions = {}): Promise<Engine> {
    const { dataRoot, runRoot } = defaultPaths(pathsOf(checkOptions(options)));
    const { cgroupDriver, fault } = options;
    const binding = loadNative();
    if (fault !== undefined && !binding.faults) {
      throw new CaissonError('ERR_UNSUPPORTED_OPTION', 'fault: only debug builds inject faults', {
        stage: 'config',
        path: 'fault',
      });
    }
    if (cgroupDriver !== undefined && !CGROUP_DRIVERS.has(cgroupDriver))
      throw invalid('cgroupDriver', cgroupDriver, 'is neither "systemd" nor "cgroupfs"');
    const layout = await detectCgroups();
    const slice = sliceFor(layout, cgroupDriver);
    const store = new Store({ dataRoot, runRoot });
    // Files of container root are root's on the disk too, set-user-id ones among them: keep others out.
    store.prepare();
    const [host, idRanges, users] = await Promise.all([
      lookAtHost(),
      IdRanges.open(binding, join(runRoot, 'ids')),
      findUserNamespaceIds(),
    ]);
    await evacuateRoot(layout);
    const engine = new Engine(
      store,
      binding,
      layout,
      binding.probe(),
      host,
      // What a worker of root's leaves is torn down by the process; of a user's, by whoever comes next.
      ownerName(isRoot() ? 'self' : 'thread-self'),
      idRanges,
      users,
      slice,
      fault,
    );
    const parents = parentsOf(planCgroups(layout, 'none', {}));
    binding.retain(engine.encoder.encode(compileEngineTeardown(parents)));
    await engine.tearDownAbandoned();
    return engine;
  }

  /**
   * Starts a container, and ends with it: the container goes when its program does, or this process.
   *
   * Returns at once. Awaiting the result waits for the exit and for all output; whatever is wrong with the
   * arguments rejects it, before anything is made.
   *
   * Without root a supervisor starts it, as of a container that is kept: it is listed, and told of in the events, until
   * it has ended.
   *
   * @param image `host`, or a root directory by `rootfs()`.
   * @param argv the program and its arguments; empty for the image's own.
   */
  run(
    image: string | RootfsImage,
    argv: readonly string[] = [],
    options: RunOptions = {},
  ): Execution {
    const id = newId();
    let execution: Execution;
    try {
      execution = new Execution(id, isRecord(options) ? options : {});
    } catch (error) {
      // Options that throw when they are read.
      execution = new Execution(id, {});
      execution.hasFailed(error);
      return execution;
    }
    this.executions.add(execution);
    this.start(execution, image, argv, options);
    return execution;
  }

  /**
   * Makes a container that is kept: it has a name, can be started again and again, runs on when this process
   * ends, and stays until it is removed. It does not run yet.
   *
   * @throws what `run` rejects with; ERR_NAME_IN_USE
   */
  async create(
    image: string | RootfsImage,
    argv: readonly string[] = [],
    options: CreateOptions = {},
  ): Promise<Container> {
    this.check(options);
    const { createContainer } = await import('./container/create-container.js');
    return createContainer(this, this, image, argv, options);
  }

  /**
   * The container with that id, name, or beginning of an id.
   *
   * @throws ERR_NO_SUCH_CONTAINER, ERR_AMBIGUOUS_ID
   */
  async get(reference: string): Promise<Container> {
    const id = await this.store.find(reference);
    const { containerOf } = await import('./container/container.js');
    return containerOf(this, id);
  }

  /** All containers that are kept, newest first. */
  async list(): Promise<ContainerInfo[]> {
    const { listContainers } = await import('./container/list-containers.js');
    return listContainers(this);
  }

  /** What this machine is, what it can do for this user, and what would give it the rest. */
  async info(): Promise<MachineInfo> {
    return machineInfo(this.store.paths);
  }

  /** The launch program of such a `run`, in words. Nothing is made. */
  async explain(
    image: string | RootfsImage,
    argv: readonly string[] = [],
    options: RunOptions = {},
  ): Promise<string> {
    this.check(options);
    if (this.users !== undefined) {
      const location = { ...cgroupLocation(this.slice, options.cgroupParent), autoRemove: true };
      return explain(
        (await prepareDetached(this, newId(), image, argv, options, location)).steps(),
      );
    }
    const prepared = await prepare(this, newId(), image, argv, options);
    prepared.release();
    const { noteVolumes } = await import('./spec/volume-notes.js');
    const { noteLayer } = await import('./start/layer.js');
    const notes = [
      ...noteLayer(prepared.config.layerSize),
      ...(await noteVolumes(prepared.config)),
    ];
    return explain(prepared.steps(), notes);
  }

  /** Ends what still runs, and resolves when nothing of it is left. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private check(options: RunOptions | CreateOptions): void {
    if (this.closing !== undefined) {
      throw new CaissonError('ERR_ENGINE_CLOSED', 'the engine is closed', { stage: 'config' });
    }
    checkOptions(options);
  }

  private async shutDown(): Promise<void> {
    for (const execution of this.executions) execution.kill();
    this.binding.hurry();
    if (this.executions.size > 0) await new Promise<void>((resolve) => (this.whenIdle = resolve));
    await new Promise<void>((resolve) => this.binding.release(resolve));
    await this.idRanges.close();
  }

  private start(
    execution: Execution,
    image: string | RootfsImage,
    argv: readonly string[],
    options: RunOptions,
  ): void {
    try {
      this.check(options);
      if (options.signal?.aborted === true) {
        throw new CaissonError('ERR_ABORTED', 'the signal was aborted before the start', {
          stage: 'config',
          path: 'signal',
          cause: options.signal.reason,
        });
      }
      const known =
        this.users === undefined ? recall(this, execution.id, image, argv, options) : undefined;
      if (known !== undefined) return this.launch(execution, known, options.signal);
      checkOfRun(options);
      void this.startLater(execution, image, argv, options);
    } catch (error) {
      this.isOver(execution, error);
    }
  }

  /** What something has to be looked at for. */
  private async startLater(
    execution: Execution,
    image: string | RootfsImage,
    argv: readonly string[],
    options: RunOptions,
  ): Promise<void> {
    try {
      if (this.users === undefined) {
        const prepared = await prepare(this, execution.id, image, argv, options);
        await prepared.makeParents().catch((error: unknown) => {
          prepared.release();
          throw error;
        });
        this.launch(execution, prepared, options.signal);
        return;
      }
      const { runSupervised } = await import('./container/run-supervised.js');
      await runSupervised(this, this, execution, image, argv, options);
      this.isOver(execution);
    } catch (error) {
      this.isOver(execution, error);
    }
  }

  private launch(execution: Execution, prepared: Prepared, signal: AbortSignal | undefined): void {
    execution.watch(prepared.config, signal);
    let retries = 0;
    const over = (failure: CaissonError | undefined): void => {
      if (failure !== undefined && lostParent(failure) && retries++ < LOST_PARENT_RETRIES)
        return launch(this.binding, execution, prepared, over);
      prepared.release();
      this.isOver(execution, failure);
    };
    launch(this.binding, execution, prepared, over);
  }

  /** Nothing of it is left, or was ever made. */
  private isOver(execution: Execution, failure?: unknown): void {
    if (failure !== undefined) execution.hasFailed(failure);
    this.executions.delete(execution);
    if (this.executions.size === 0) this.whenIdle?.();
  }

  private async tearDownAbandoned(): Promise<void> {
    const ids = await findAbandoned(this.containersRoot);
    await Promise.all(
      ids.map(async (id) => {
        // Of a user's run, whose supervisor may just be removing it.
        if (this.store.config(id) !== undefined) return this.removeRun(id);
        const directory = join(this.containersRoot, id);
        const cgroupParent = await readlink(join(directory, PARENT_LINK)).catch(() => undefined);
        const cgroup = planCgroups(this.layout, id, {}, { location: { cgroupParent } });
        const teardown = compileTeardown(cgroup, directory);
        await tearDown(this.encoder.encode(teardown)).catch(() => undefined);
      }),
    );
  }

  private async removeRun(id: string): Promise<void> {
    const { removeContainer } = await import('./container/remove-container.js');
    try {
      await removeContainer(this, id, { force: true });
    } catch (error) {
      if (!(error instanceof CaissonError)) throw error;
    }
  }
}

/** What only a container that is kept has: a run has no place for it, and nobody who would ask. */
function checkOfRun(options: RunOptions): void {
  for (const name of ['name', 'labels', 'stopSignal'] as const) {
    if (options[name] !== undefined)
      throw invalid(name, options[name], 'is for containers that are kept', 'see Engine.create');
  }
}

function pathsOf({ dataRoot, runRoot }: EngineOptions): Partial<Paths> {
  return {
    ...(dataRoot === undefined ? {} : { dataRoot }),
    ...(runRoot === undefined ? {} : { runRoot }),
  };
}

const CGROUP_DRIVERS: ReadonlySet<unknown> = new Set<CgroupDriver>(['systemd', 'cgroupfs']);

const LOST_PARENT_RETRIES = 8;

/** What a write below a removed cgroup says. */
const gone: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENODEV']);

/**
 * Another process, ending, removed the cgroup that all containers share between this start's making it and
 * its use. The next attempt makes it again.
 */
function lostParent({ stage, step, errno }: CaissonError): boolean {
  return stage === 'host' && step?.startsWith('cgroup.') === true && gone.has(errno);
}

async function lookAtHost(): Promise<HostFacts> {
  const read = async (path: string, otherwise: string) =>
    (await readFile(path, 'utf8').catch(() => otherwise)).trim();
  const [cpus, mems, lastCap, status, cpuMasks] = await Promise.all([
    read('/sys/devices/system/cpu/online', '0'),
    read('/sys/devices/system/node/online', '0'),
    read('/proc/sys/kernel/cap_last_cap', '40'),
    read('/proc/self/status', ''),
    thermalThrottlePaths(),
  ]);
  const permitted = /^CapPrm:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return {
    cpus,
    mems,
    lastCap: Number(lastCap),
    rootless: !isRoot(),
    cpuMasks,
    // An ordinary user's containers have all of them, over what is theirs.
    permitted: !isRoot() || permitted === undefined ? undefined : BigInt(`0x${permitted}`),
  };
}
