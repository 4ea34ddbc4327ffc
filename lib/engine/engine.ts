/** The engine: where containers are made, and what they share. */
import type { Readable } from 'node:stream';
import { checkOptions } from '../base/check.js';
import type { RootfsImage } from '../image/rootfs.js';
import { machineInfo } from '../info/info.js';
import { permissionError } from '../host/node-permissions.js';
import type { MachineInfo } from '../info/machine-info.js';
import type { Container } from './container/container.js';
import { createContainer } from './container/create-container.js';
import type { Pruned } from './container/prune-containers.js';
import type { BuildOptions } from './build/build-options.js';
import { imagesIn } from './images-in.js';
import type { ImageInfo } from './images/image-info.js';
import type { Images } from './images/images.js';
import { networksIn } from './networks-in.js';
import { volumesIn } from './volumes-in.js';
import { tearDownAbandoned } from './container/tear-down-abandoned.js';
import type { Networks } from './networks/networks.js';
import type { Volumes } from './volumes/volumes.js';
import type { DiskUsage } from './disk-usage.js';
import { type EngineContext, type EngineOptions, openContext } from './engine-context.js';
import type { CreateOptions } from './options/create-options.js';
import type { PrunedSystem, PruneOptions } from './prune-unused.js';
import type { RunOptions } from './options/options.js';
import type { Pool } from './pool/pool.js';
import type { PoolOptions, PoolRunOptions } from './pool/pool-options.js';
import { type Execution, executionOf } from './start/execution.js';
import { checkCall, startRun } from './start-run.js';
import { followAllEvents } from './networks/denied-events.js';
import type { EventOptions } from './store/event-log.js';
import type { ContainerInfo, EngineEvent } from './store/stored.js';

let contextIn: (engine: Engine) => EngineContext;

/** For the command line, and for tests. */
export function contextOf(engine: Engine): EngineContext {
  return contextIn(engine);
}

/** What needs the files of a container's verbs loads them when it is called: `run` needs none of them. */
export class Engine {
  readonly #context: EngineContext;
  #closing: Promise<void> | undefined;
  #images: Images | undefined;

  static {
    contextIn = (engine) => engine.#context;
  }

  private constructor(context: EngineContext) {
    this.#context = context;
  }

  /**
   * Looks at the machine, and tears down what containers of dead processes left behind.
   *
   * @throws ERR_NATIVE_LOAD, ERR_NO_PRIVILEGES, ERR_SYSTEMD
   */
  static async open(options: EngineOptions = {}): Promise<Engine> {
    try {
      const context = await openContext(options);
      await tearDownAbandoned(context);
      return new Engine(context);
    } catch (error) {
      throw permissionError(error);
    }
  }

  /** Networks with a bridge. */
  get networks(): Networks {
    return networksIn(this.#context);
  }

  /** Data that outlives containers. */
  get volumes(): Volumes {
    return volumesIn(this.#context.store, this.#context.volumes);
  }

  /** Images that this machine has. */
  get images(): Images {
    return (this.#images ??= imagesIn(this.#context.store));
  }

  get dataRoot(): string {
    return this.#context.dataRoot;
  }

  /**
   * Starts a container that is removed when its program ends, and ends with this process.
   *
   * Returns at once. Awaiting the result waits for the exit and for all output; whatever is wrong with the
   * arguments rejects it, before anything is made.
   *
   * A rootless user's run is started by a supervisor, as a detached container is: until it has ended, it is listed, and the
   * events tell of it.
   *
   * @param image `host`, or a root directory by `rootfs()`.
   * @param argv the program and its arguments; empty for the image's own.
   */
  run(
    image: string | RootfsImage,
    argv: readonly string[] = [],
    options: RunOptions = {},
  ): Execution {
    return executionOf(startRun(this.#context, image, argv, options));
  }

  /**
   * Makes a detached container: it has a name, can be started again and again, runs on when this process ends, and stays
   * until it is removed. It does not run yet.
   *
   * @throws what `run` rejects with; ERR_NAME_IN_USE
   */
  async create(
    image: string | RootfsImage,
    argv: readonly string[] = [],
    options: CreateOptions = {},
  ): Promise<Container> {
    checkCall(this.#context, options);
    const id = await createContainer(this.#context, this.#context, image, argv, options);
    const { containerOf } = await import('./container/container.js');
    return containerOf(this.#context, id);
  }

  /**
   * Containers of one kind that wait for jobs, which then need not wait for a start. Resolves when all of them wait.
   *
   * @throws what `run` rejects with for the first container that cannot be started; ERR_INVALID_OPTION; ERR_TIMEOUT: it did not become
   *   ready. Nothing is left then.
   */
  async pool(
    image: string | RootfsImage,
    argv: readonly string[],
    options: PoolRunOptions,
    pool: PoolOptions,
  ): Promise<Pool> {
    checkCall(this.#context, options);
    const { poolOf } = await import('./pool-of.js');
    return poolOf(this.#context, image, argv, options, pool);
  }

  /**
   * Makes an image from a Dockerfile: each RUN is a container of the image so far, with the isolation of all containers. What an
   * earlier build has done is not done again. Containers, and what else the build needs, are gone when it has ended.
   *
   * @param context a directory, or the stream of a tar archive with the same; undefined: none, with `dockerfile`
   * @throws ERR_INVALID_DOCKERFILE and ERR_UNSUPPORTED_OPTION, whose messages begin with `Dockerfile:LINE`; ERR_BUILD_FAILED: a program
   *   of RUN has failed; ERR_INVALID_OPTION, ERR_INVALID_REFERENCE, ERR_NO_SUCH_FILE, ERR_INVALID_ARCHIVE, ERR_STORAGE; what
   *   `create` and `images.pull` reject with; the signal's reason
   */
  async build(
    context: string | Readable | undefined,
    options: BuildOptions = {},
  ): Promise<ImageInfo> {
    checkCall(this.#context, {});
    const { buildImage } = await import('./build/build-image.js');
    return buildImage(this.#context, context, options);
  }

  /**
   * The container with that id, name, or beginning of an id.
   *
   * @throws ERR_NO_SUCH_CONTAINER, ERR_AMBIGUOUS_ID
   */
  async get(reference: string): Promise<Container> {
    const id = await this.#context.store.find(reference);
    const { containerOf } = await import('./container/container.js');
    return containerOf(this.#context, id);
  }

  /** All detached containers, newest first. */
  async list(): Promise<ContainerInfo[]> {
    const { listContainers } = await import('./container/list-containers.js');
    return listContainers(this.#context);
  }

  /**
   * Removes containers that do not run.
   *
   * @param chosen default: all of them.
   */
  async prune(chosen?: (info: ContainerInfo) => boolean): Promise<Pruned> {
    const { pruneContainers } = await import('./container/prune-containers.js');
    return pruneContainers(this.#context, chosen);
  }

  /**
   * Removes containers that do not run, networks that no container uses, and images that have no name and from which no container
   * was made; with `volumes` also anonymous volumes; and, without filters of labels, what builds have done. If one of these fails, what was removed before stays removed.
   *
   * @throws ERR_INVALID_OPTION, ERR_CONFLICTING_OPTIONS, and nothing is removed then; ERR_REMOVE_FAILED, ERR_NETWORK_FAILED, ERR_STORAGE
   */
  async pruneUnused(options: PruneOptions = {}): Promise<PrunedSystem> {
    const { pruneUnused } = await import('./prune-unused.js');
    return pruneUnused(this.#context, checkOptions(options), this.#context.volumes);
  }

  /**
   * What images, detached containers and volumes occupy on the disk.
   *
   * @throws ERR_DAMAGED_STATE
   */
  async usage(): Promise<DiskUsage> {
    const { diskUsage } = await import('./disk-usage.js');
    return diskUsage(this.#context);
  }

  /**
   * What happens to detached containers, networks and images, by any process: with `since` also what has happened before. What policies refuse
   * (`network denied`) is told while it happens, at most once a second for each destination.
   */
  events(options: EventOptions = {}): AsyncGenerator<EngineEvent> {
    return followAllEvents(this.#context.store, checkOptions(options));
  }

  /** What this machine is, what it can do for this user, and what would give it the rest. */
  async info(): Promise<MachineInfo> {
    return machineInfo(this.#context.store.paths);
  }

  /** The launch program of such a `run`, in words. Nothing is made. */
  async explain(
    image: string | RootfsImage,
    argv: readonly string[] = [],
    options: RunOptions = {},
  ): Promise<string> {
    checkCall(this.#context, options);
    const { explainRun } = await import('./explain-run.js');
    return explainRun(this.#context, image, argv, options);
  }

  /** Ends what still runs, and resolves when nothing of it is left. */
  close(): Promise<void> {
    this.#closing ??= shutDown(this.#context);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function shutDown({ binding, idRanges, running }: EngineContext): Promise<void> {
  running.closed = true;
  running.kill();
  binding.hurry();
  await running.none();
  await new Promise<void>((resolve) => binding.release(resolve));
  idRanges.close();
}
