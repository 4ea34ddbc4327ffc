/** One detached container: Docker's verbs as methods. */
import type { Readable } from 'node:stream';
import type { FileChange } from '../../archive/changes.js';
import { shortId } from '../../base/ids.js';
import type { PolicyOptions } from '../../network/policy/rules.js';
import type { AttachOptions } from '../options/attach-options.js';
import type { ExecOptions } from '../options/exec-options.js';
import type { LogEntry, LogOptions } from '../logs/log-reader.js';
import type { Execution } from '../start/execution.js';
import { hasNetworkInfo } from '../store/current-options.js';
import type { ContainerInfo } from '../store/stored.js';
import type { Attached } from '../supervisor/attached.js';
import type { ContainerStats } from '../views/stats.js';
import type { TopResult } from '../views/top.js';
import type { ImageInfo } from '../images/image-info.js';
import { attachToContainer, startAttached } from './attach-container.js';
import type { CommitOptions } from './commit-container.js';
import type { ContainerContext } from './container-context.js';
import { containerLogs } from './container-logs.js';
import { containerStats, containerTop, watchContainerStats } from './container-usage.js';
import { execInContainer } from './exec-container.js';
import { type ContainerFiles, filesOf } from './file-access.js';
import type { ForkOptions } from './fork-container.js';
import { inspectContainer } from './inspect-container.js';
import { killContainer } from './kill-container.js';
import { pauseContainer, unpauseContainer } from './pause-container.js';
import { disposeContainer, removeContainer, type RemoveOptions } from './remove-container.js';
import { renameContainer } from './rename-container.js';
import { startContainer } from './start-container.js';
import { restartContainer, stopContainer, type StopOptions } from './stop-container.js';
import type { ContainerExit } from './supervisor-client.js';
import { updateContainer, type UpdateOptions } from './update-container.js';
import { waitForExit, type WaitOptions } from './wait-container.js';
import { waitFor, type WaitCondition } from './wait-for.js';

let make: (context: ContainerContext, id: string) => Container;

/** @param id long id; whether there is such a container shows when a method is called */
export function containerOf(context: ContainerContext, id: string): Container {
  return make(context, id);
}

/**
 * A detached container. Each method looks at its present state, which other processes may have changed, and rejects with
 * ERR_NO_SUCH_CONTAINER once it has been removed.
 */
export class Container {
  readonly #context: ContainerContext;
  #files: ContainerFiles | undefined;
  /** Long id. */
  readonly id: string;

  static {
    make = (context, id) => new Container(context, id);
  }

  private constructor(context: ContainerContext, id: string) {
    this.#context = context;
    this.id = id;
  }

  /** Its files, whether it runs or not. */
  get files(): ContainerFiles {
    return (this.#files ??= filesOf(this.#context, this.id));
  }

  /** The first 12 digits of it. */
  get shortId(): string {
    return shortId(this.id);
  }

  /**
   * Its configuration, state and status, and its networks.
   *
   * @throws ERR_NO_SUCH_CONTAINER when it has been removed
   *
   * @example
   * console.log((await box.inspect()).status); // running
   */
  async inspect(): Promise<ContainerInfo> {
    const info = await inspectContainer(this.#context, this.id);
    if (!hasNetworkInfo(info.config)) return info;
    const { withNetworks } = await import('../networks/container-networks.js');
    const [known = info] = await withNetworks(this.#context.store, [info]);
    if (typeof info.config.options.network !== 'object') return known;
    const { deniedConnections } = await import('../networks/denied-connections.js');
    return { ...known, denied: await deniedConnections(this.#context.store, known) };
  }

  /**
   * Starts it. A container that runs already is left as it is.
   *
   * @throws ERR_CONTAINER_PAUSED, and what `run` rejects with
   *
   * @example
   * const job = await engine.create('busybox', ['sleep', '600']);
   * await job.start();
   * await job.remove({ force: true });
   */
  start(): Promise<void> {
    return startContainer(this.#context, this.id);
  }

  /**
   * Starts it with a client attached that misses nothing. What prevents the start rejects the client.
   *
   * @throws (as rejections) ERR_CONTAINER_RUNNING, ERR_CONTAINER_PAUSED, and what `run` rejects with
   *
   * @example
   * const job = await engine.create('busybox', ['echo', 'hello']);
   * for await (const line of job.startAttached()) console.log(line); // hello
   * await job.remove();
   */
  startAttached(options: AttachOptions = {}): Attached {
    return startAttached(this.#context, this.id, options);
  }

  /**
   * A client of a running container: its streams from now on. What prevents it rejects the client.
   *
   * @throws (as rejections) ERR_CONTAINER_NOT_RUNNING, ERR_CONTAINER_PAUSED, ERR_INVALID_OPTION
   *
   * @example
   * const client = box.attach();
   * await client.started;
   * client.detach();
   * console.log((await client).detached); // true
   */
  attach(options: AttachOptions = {}): Attached {
    return attachToContainer(this.#context, this.id, options);
  }

  /**
   * Waits until it does not run, and will not be restarted. Resolves at once where it does not run.
   *
   * @example
   * const end = box.wait();
   * await box.kill();
   * console.log((await end).exitCode); // 137
   */
  async wait(options: WaitOptions = {}): Promise<ContainerExit> {
    return waitForExit(this.#context, this.id, options);
  }

  /**
   * Sends its stop signal; after the timeout everything in it is killed. A container that does not run is left as it is.
   *
   * @throws ERR_INVALID_OPTION
   *
   * @example
   * await box.stop({ timeout: 1 });
   * console.log((await box.inspect()).status); // exited
   */
  stop(options: StopOptions = {}): Promise<void> {
    return stopContainer(this.#context, this.id, options);
  }

  /**
   * Sends a signal to the program. KILL, the default, ends everything in the container, and is waited for.
   *
   * @throws ERR_CONTAINER_NOT_RUNNING; ERR_INVALID_OPTION: there is no such signal
   *
   * @example
   * await box.kill('SIGTERM');
   * console.log((await box.wait()).exitCode); // 143
   */
  kill(signal: string | number = 'SIGKILL'): Promise<void> {
    return killContainer(this.#context, this.id, signal);
  }

  /**
   * Freezes all its processes, until `unpause`.
   *
   * @throws ERR_CONTAINER_NOT_RUNNING, ERR_CONTAINER_PAUSED, ERR_FREEZE_FAILED
   *
   * @example
   * await box.pause();
   * console.log((await box.inspect()).status); // paused
   * await box.unpause();
   */
  pause(): Promise<void> {
    return pauseContainer(this.#context, this.id);
  }

  /**
   * Lets its processes go on.
   *
   * @throws ERR_CONTAINER_NOT_PAUSED, ERR_FREEZE_FAILED
   *
   * @example
   * await box.pause();
   * await box.unpause();
   * console.log((await box.inspect()).status); // running
   */
  unpause(): Promise<void> {
    return unpauseContainer(this.#context, this.id);
  }

  /**
   * Runs a further program in it, which ends with this process unless detached.
   *
   * @throws (as rejections) ERR_CONTAINER_NOT_RUNNING, ERR_CONTAINER_PAUSED, and what `run` rejects with
   *
   * @example
   * const { stdout } = await box.exec(['id', '-un'], { user: 'nobody' });
   * console.log(stdout.trim()); // nobody
   */
  exec(argv: readonly string[], options: ExecOptions = {}): Execution {
    return execInContainer(this.#context, this.id, argv, options);
  }

  /**
   * What it wrote, oldest first; with `follow` until it ends.
   *
   * @throws ERR_INVALID_OPTION, ERR_NO_LOG
   *
   * @example
   * const job = await engine.create('busybox', ['echo', 'hello']);
   * await job.start();
   * for await (const { stream, bytes } of job.logs({ follow: true })) console.log(stream, String(bytes).trim()); // stdout hello
   * await job.remove();
   */
  logs(options: Omit<LogOptions, 'ended'> = {}): AsyncGenerator<LogEntry> {
    return containerLogs(this.#context, this.id, options);
  }

  /**
   * What it uses now; undefined when it does not run.
   *
   * @example
   * const { memory, pids } = (await box.stats()) ?? {};
   * console.log(memory?.usage, pids?.current);
   */
  stats(): Promise<ContainerStats | undefined> {
    return containerStats(this.#context, this.id);
  }

  /**
   * What it uses, again and again, until it ends.
   *
   * @param interval milliseconds between two results
   *
   * @example
   * for await (const { cpu } of box.watchStats(100)) {
   *   console.log(cpu?.usage);
   *   break;
   * }
   */
  watchStats(interval = 1000): AsyncGenerator<ContainerStats, void, undefined> {
    return watchContainerStats(this.#context, this.id, interval);
  }

  /**
   * Its processes, as the host's `ps` shows them.
   *
   * @param psArgs default `-ef`
   * @throws ERR_CONTAINER_NOT_RUNNING, ERR_PS_FAILED; ERR_INVALID_OPTION for arguments without a PID column
   *
   * @example
   * const { titles, processes } = await box.top(['-o', 'pid,args']);
   * console.log(titles[1], processes.at(-1)?.[1]); // COMMAND sleep 600
   */
  top(psArgs?: readonly string[]): Promise<TopResult> {
    return containerTop(this.#context, this.id, psArgs);
  }

  /**
   * Changes limits, at once where it runs, and the restart policy. All of it, or nothing: the new configuration is
   * written beside the old one first, then the kernel and the supervisor are told, and only then is it put in place.
   * What they have been told is taken back when a later step is refused.
   *
   * @throws ERR_INVALID_OPTION, ERR_CONFLICTING_OPTIONS, ERR_UNSUPPORTED_OPTION, ERR_CGROUP_CONTROLLER_MISSING,
   *   ERR_UPDATE_FAILED, ERR_STORAGE
   *
   * @example
   * await box.update({ memory: '128m', restart: 'on-failure:3' });
   * const { config } = await box.inspect();
   * console.log(config.options.memory, config.restart.name); // 128m on-failure
   */
  update(options: UpdateOptions): Promise<void> {
    return updateContainer(this.#context, this.id, options);
  }

  /**
   * Another policy for its outgoing connections, in place of the one that it has: at once where it runs, for all packets of new
   * connections. Those that were accepted before go on.
   *
   * @throws ERR_INVALID_OPTION; ERR_CONFLICTING_OPTIONS: it is on no network with a bridge; ERR_NAME_NOT_FOUND: a name in `allow`
   *   does not exist; ERR_NETWORK_FAILED, ERR_STORAGE, ERR_UPDATE_FAILED
   *
   * @example
   * const client = await engine.create('busybox', ['sleep', '600'], { network: { allow: ['10.0.0.0/8:443'] } });
   * await client.start();
   * await client.updateNetwork({ allow: ['10.0.0.0/8:443', '192.0.2.7:5432/tcp'] });
   * await client.remove({ force: true });
   */
  async updateNetwork(policy: PolicyOptions): Promise<void> {
    const { updateNetwork } = await import('./update-network.js');
    await updateNetwork(this.#context, this.id, policy);
  }

  /**
   * Resolves when the condition holds.
   *
   * @throws ERR_TIMEOUT; ERR_CONTAINER_NOT_RUNNING when it ends before; ERR_INVALID_OPTION
   *
   * @example
   * const server = await engine.create('busybox', ['sh', '-c', 'echo ready; sleep 600']);
   * await server.start();
   * await server.waitFor({ log: 'ready', timeout: 10_000 });
   * await server.remove({ force: true });
   */
  waitFor(condition: WaitCondition): Promise<void> {
    return waitFor(
      {
        id: this.id,
        shortId: this.shortId,
        inspect: () => inspectContainer(this.#context, this.id),
        logs: (options) => this.logs(options),
      },
      condition,
    );
  }

  /**
   * What it has changed of its image: in the order of the paths, a directory before what is in it. What the engine and the
   * container's mounts have in it is no change.
   *
   * @throws ERR_UNSUPPORTED_OPTION when it has no layer of its own
   *
   * @example
   * await box.files.write('/said', 'hello');
   * for (const { kind, path } of await box.diff()) console.log(kind, path); // added /said
   */
  async diff(): Promise<FileChange[]> {
    const { diffContainer } = await import('./diff-container.js');
    return diffContainer(this.#context, this.id);
  }

  /**
   * All its files, as a tar stream (pax). As Docker's: without its volumes, and without what is mounted by the engine. A container
   * that does not run is not started until the stream has ended. What fails destroys the stream with a CaissonError.
   *
   * @example
   * import { createWriteStream } from 'node:fs';
   * import { pipeline } from 'node:stream/promises';
   *
   * await pipeline(await box.export(), createWriteStream('box.tar'));
   */
  async export(): Promise<Readable> {
    const { exportContainer } = await import('./export-container.js');
    return exportContainer(this.#context, this.id);
  }

  /**
   * Makes an image of its files, and of what it was created with. A running container is paused meanwhile.
   *
   * @param target its name, with the tag `latest` if it has none; default: none
   * @throws ERR_INVALID_OPTION, ERR_INVALID_REFERENCE, ERR_STORAGE; ERR_UNSUPPORTED_OPTION when it has no layer of its own, or is
   *   one of the host image; the signal's reason
   *
   * @example
   * const { names } = await box.commit('box:saved', { changes: ['CMD ["date"]'] });
   * console.log(names[0]); // box:saved
   */
  async commit(target?: string, options: CommitOptions = {}): Promise<ImageInfo> {
    const { commitContainer } = await import('./commit-container.js');
    return commitContainer(this.#context, this.id, target, options);
  }

  /**
   * A new container with the files that this one has now, without a copy of them: what this one has written becomes a layer that both
   * have, and each writes above it. It has the same configuration, volumes and networks, and a name and addresses of its own; it does not
   * run yet.
   *
   * @throws ERR_CONTAINER_RUNNING; ERR_NAME_IN_USE; ERR_TOO_MANY_LAYERS after some hundred forks of forks; ERR_UNSUPPORTED_OPTION when
   *   it has no layer of its own, or one with a size; ERR_INVALID_OPTION, ERR_STORAGE
   *
   * @example
   * await box.files.write('/said', 'hello');
   * await box.stop({ timeout: 0 });
   * const copy = await box.fork();
   * console.log(await copy.files.readText('/said')); // hello
   * await copy.remove();
   */
  async fork(options: ForkOptions = {}): Promise<Container> {
    const { forkContainer } = await import('./fork-container.js');
    return make(this.#context, await forkContainer(this.#context, this.id, options));
  }

  /**
   * Stops and starts it. A container that is removed when it exits stays, as with Docker.
   *
   * @throws what `stop` and `start` reject with
   *
   * @example
   * await box.restart({ timeout: 0 });
   * console.log((await box.inspect()).status); // running
   */
  restart(options: StopOptions = {}): Promise<void> {
    return restartContainer(this.#context, this.id, options);
  }

  /**
   * Gives it another name. The name is stored in several files, all or none of which are changed: steps that need disk space
   * come first, and the configuration, which decides, is replaced last.
   *
   * @param name `[a-zA-Z0-9][a-zA-Z0-9_.-]+`
   * @throws ERR_NAME_IN_USE, ERR_INVALID_OPTION, ERR_STORAGE
   *
   * @example
   * await box.rename('renamed');
   * console.log((await engine.get('renamed')).id === box.id); // true
   */
  rename(name: string): Promise<void> {
    return renameContainer(this.#context, this.id, name);
  }

  /**
   * Removes it with all that it wrote.
   *
   * @throws ERR_CONTAINER_RUNNING without `force`; ERR_REMOVE_FAILED
   *
   * @example
   * await box.remove({ force: true, volumes: true });
   * console.log((await engine.list()).length); // 0
   */
  remove(options: RemoveOptions = {}): Promise<void> {
    return removeContainer(this.#context, this.id, options);
  }

  /** Removes it, running or not. */
  [Symbol.asyncDispose](): Promise<void> {
    return disposeContainer(this.#context, this.id);
  }
}
