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

/** Containers, images, volumes and networks below two directories. `close` ends it. */
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
   *
   * @example
   * import { Engine } from 'caisson';
   *
   * const engine = await Engine.open({ onWarning: ({ message, hint }) => console.error(message, hint) });
   * console.log((await engine.run('host', ['echo', 'hello'])).stdout.trim()); // hello
   * await engine.close();
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

  /** As in `EngineOptions`. */
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
   * @param image `host`, the name of an image, or a root directory by `rootfs()`.
   * @param argv the program and its arguments; empty for the image's own.
   * @throws (as rejections) of the options: ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION, ERR_CONFLICTING_OPTIONS; of the image: what
   *   `images.pull` rejects with, ERR_INVALID_ROOTFS; of the machine: ERR_NO_PRIVILEGES, ERR_CGROUP_CONTROLLER_MISSING,
   *   ERR_KERNEL_FEATURE_MISSING, ERR_NETWORK_FAILED, ERR_PORT_IN_USE, ERR_STORAGE; of the program: ERR_COMMAND_NOT_FOUND,
   *   ERR_COMMAND_NOT_EXECUTABLE, ERR_INVALID_WORKDIR, ERR_NO_SUCH_USER; ERR_NO_SUCH_SOURCE, ERR_START_FAILED, ERR_ENGINE_CLOSED
   *
   * @example
   * const run = engine.run('host', ['sort', '-n'], { memory: '64m', timeout: 10_000, stdin: 'pipe' });
   * run.stdin?.end('10\n9\n');
   * const { stdout, exitCode } = await run;
   * console.log(JSON.stringify(stdout), exitCode); // "9\n10\n" 0
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
   * @param image as for `run`
   * @param argv as for `run`
   * @throws what `run` rejects with; ERR_NAME_IN_USE
   *
   * @example
   * const server = await engine.create('busybox', ['sleep', '600'], { name: 'server', restart: 'on-failure:3' });
   * await server.start();
   * console.log((await server.inspect()).status); // running
   * await server.remove({ force: true });
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
   * @param image as for `run`
   * @param argv as for `run`; a job may add arguments
   * @param options of all its containers
   * @param pool how many of them wait, and for what
   * @throws what `run` rejects with for the first container that cannot be started; ERR_INVALID_OPTION; ERR_TIMEOUT: it did not become
   *   ready. Nothing is left then.
   *
   * @example
   * const pool = await engine.pool('busybox', ['wc'], { memory: '64m' }, { size: 2 });
   * const { stdout } = await pool.run({ args: ['-w'], stdin: 'one two' });
   * console.log(stdout.trim()); // 2
   * await pool.close();
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
   *
   * @example
   * const dockerfile = 'FROM busybox\nRUN echo hello >/said\nCMD ["cat", "/said"]\n';
   * const image = await engine.build(undefined, { dockerfile, tags: ['built'] });
   * console.log((await engine.run(image.id)).stdout.trim()); // hello
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
   *
   * @example
   * const same = await engine.get(box.shortId);
   * console.log(same.id === box.id); // true
   */
  async get(reference: string): Promise<Container> {
    const id = await this.#context.store.find(reference);
    const { containerOf } = await import('./container/container.js');
    return containerOf(this.#context, id);
  }

  /**
   * All detached containers, newest first.
   *
   * @example
   * for (const { config, status } of await engine.list()) console.log(config.id === box.id, status); // true running
   */
  async list(): Promise<ContainerInfo[]> {
    const { listContainers } = await import('./container/list-containers.js');
    return listContainers(this.#context);
  }

  /**
   * Removes detached containers that do not run.
   *
   * @param chosen default: all of them.
   * @throws ERR_REMOVE_FAILED, ERR_STORAGE
   *
   * @example
   * const job = await engine.create('busybox', ['true'], { name: 'job-1' });
   * const { removed } = await engine.prune(({ config }) => config.name.startsWith('job-'));
   * console.log(removed[0] === job.id); // true
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
   *
   * @example
   * const { freed } = await engine.pruneUnused({ volumes: true });
   * console.log(freed >= 0); // true
   */
  async pruneUnused(options: PruneOptions = {}): Promise<PrunedSystem> {
    const { pruneUnused } = await import('./prune-unused.js');
    return pruneUnused(this.#context, checkOptions(options), this.#context.volumes);
  }

  /**
   * What images, detached containers and volumes occupy on the disk.
   *
   * @throws ERR_DAMAGED_STATE
   *
   * @example
   * const { images, volumes } = await engine.usage();
   * console.log(images.size > 1_000_000, volumes.active); // true 0
   */
  async usage(): Promise<DiskUsage> {
    const { diskUsage } = await import('./disk-usage.js');
    return diskUsage(this.#context);
  }

  /**
   * What happens to detached containers, networks and images, by any process: with `since` also what has happened before. What policies refuse
   * (`network denied`) is told while it happens, at most once a second for each destination.
   *
   * @throws ERR_INVALID_OPTION, at once
   *
   * @example
   * const since = new Date();
   * await box.pause();
   * await box.unpause();
   * for await (const { type, action } of engine.events({ since, filter: ({ action }) => action === 'pause' })) {
   *   console.log(type, action); // container pause
   *   break;
   * }
   */
  events(options: EventOptions = {}): AsyncGenerator<EngineEvent> {
    return followAllEvents(this.#context.store, checkOptions(options));
  }

  /**
   * What this machine is, what it can do for this user, and what would give it the rest: `machineInfo`.
   *
   * @example
   * const { version, cgroup } = await engine.info();
   * console.log(version, cgroup.mode);
   */
  async info(): Promise<MachineInfo> {
    return machineInfo(this.#context.store.paths);
  }

  /**
   * The launch program of such a `run`, in words. Nothing is made.
   *
   * @throws what `run` rejects with before anything is made
   *
   * @example
   * console.log(await engine.explain('host', ['true'], { memory: '64m' }));
   */
  async explain(
    image: string | RootfsImage,
    argv: readonly string[] = [],
    options: RunOptions = {},
  ): Promise<string> {
    checkCall(this.#context, options);
    const { explainRun } = await import('./explain-run.js');
    return explainRun(this.#context, image, argv, options);
  }

  /**
   * Ends what still runs, and resolves when nothing of it is left.
   *
   * @example
   * import { Engine } from 'caisson';
   *
   * const engine = await Engine.open();
   * const run = engine.run('host', ['sleep', '60']);
   * await run.started;
   * await engine.close();
   * console.log((await run).signal); // SIGKILL
   */
  close(): Promise<void> {
    this.#closing ??= shutDown(this.#context);
    return this.#closing;
  }

  /** As `close`. */
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
