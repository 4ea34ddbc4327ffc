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

  get shortId(): string {
    return shortId(this.id);
  }

  /**
   * Its configuration, state and status, and its networks.
   *
   * @throws ERR_NO_SUCH_CONTAINER when it has been removed
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

  /** Starts it. A container that runs already is left as it is. */
  start(): Promise<void> {
    return startContainer(this.#context, this.id);
  }

  /** Starts it with a client attached that misses nothing. What prevents the start rejects the client. */
  startAttached(options: AttachOptions = {}): Attached {
    return startAttached(this.#context, this.id, options);
  }

  /** A client of a running container: its streams from now on. What prevents it rejects the client. */
  attach(options: AttachOptions = {}): Attached {
    return attachToContainer(this.#context, this.id, options);
  }

  /** Waits until it does not run, and will not be restarted. Resolves at once where it does not run. */
  async wait(options: WaitOptions = {}): Promise<ContainerExit> {
    return waitForExit(this.#context, this.id, options);
  }

  /**
   * Sends its stop signal; after the timeout everything in it is killed. A container that does not run is left as it is.
   */
  stop(options: StopOptions = {}): Promise<void> {
    return stopContainer(this.#context, this.id, options);
  }

  /**
   * Sends a signal to the program. KILL, the default, ends everything in the container, and is waited for.
   *
   * @throws ERR_CONTAINER_NOT_RUNNING
   */
  kill(signal: string | number = 'SIGKILL'): Promise<void> {
    return killContainer(this.#context, this.id, signal);
  }

  /**
   * Freezes all its processes, until `unpause`.
   *
   * @throws ERR_CONTAINER_NOT_RUNNING, ERR_CONTAINER_PAUSED, ERR_FREEZE_FAILED
   */
  pause(): Promise<void> {
    return pauseContainer(this.#context, this.id);
  }

  /** @throws ERR_CONTAINER_NOT_PAUSED */
  unpause(): Promise<void> {
    return unpauseContainer(this.#context, this.id);
  }

  /**
   * Runs a further program in it, which ends with this process unless detached.
   *
   * @throws (as rejections) ERR_CONTAINER_NOT_RUNNING, ERR_CONTAINER_PAUSED, and what `run` rejects with
   */
  exec(argv: readonly string[], options: ExecOptions = {}): Execution {
    return execInContainer(this.#context, this.id, argv, options);
  }

  /**
   * What it wrote, oldest first; with `follow` until it ends.
   *
   * @throws ERR_INVALID_OPTION, ERR_NO_LOG
   */
  logs(options: Omit<LogOptions, 'ended'> = {}): AsyncGenerator<LogEntry> {
    return containerLogs(this.#context, this.id, options);
  }

  /** What it uses now; undefined when it does not run. */
  stats(): Promise<ContainerStats | undefined> {
    return containerStats(this.#context, this.id);
  }

  /**
   * What it uses, again and again, until it ends.
   *
   * @param interval milliseconds between two results
   */
  watchStats(interval = 1000): AsyncGenerator<ContainerStats, void, undefined> {
    return watchContainerStats(this.#context, this.id, interval);
  }

  /**
   * Its processes, as the host's `ps` shows them.
   *
   * @param psArgs default `-ef`
   * @throws ERR_CONTAINER_NOT_RUNNING
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
   */
  async updateNetwork(policy: PolicyOptions): Promise<void> {
    const { updateNetwork } = await import('./update-network.js');
    await updateNetwork(this.#context, this.id, policy);
  }

  /**
   * Resolves when the condition holds.
   *
   * @throws ERR_TIMEOUT; ERR_CONTAINER_NOT_RUNNING when it ends before
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
   */
  async diff(): Promise<FileChange[]> {
    const { diffContainer } = await import('./diff-container.js');
    return diffContainer(this.#context, this.id);
  }

  /**
   * All its files, as a tar stream (pax). As Docker's: without its volumes, and without what is mounted by the engine. A container
   * that does not run is not started until the stream has ended. What fails destroys the stream with a CaissonError.
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
   */
  async fork(options: ForkOptions = {}): Promise<Container> {
    const { forkContainer } = await import('./fork-container.js');
    return make(this.#context, await forkContainer(this.#context, this.id, options));
  }

  /** Stops and starts it. A container that is removed when it exits stays, as with Docker. */
  restart(options: StopOptions = {}): Promise<void> {
    return restartContainer(this.#context, this.id, options);
  }

  /**
   * Gives it another name. The name is stored in several files, all or none of which are changed: steps that need disk space
   * come first, and the configuration, which decides, is replaced last.
   *
   * @throws ERR_NAME_IN_USE, ERR_STORAGE
   */
  rename(name: string): Promise<void> {
    return renameContainer(this.#context, this.id, name);
  }

  /**
   * Removes it with all that it wrote.
   *
   * @throws ERR_CONTAINER_RUNNING without `force`
   */
  remove(options: RemoveOptions = {}): Promise<void> {
    return removeContainer(this.#context, this.id, options);
  }

  /** Removes it, running or not. */
  [Symbol.asyncDispose](): Promise<void> {
    return disposeContainer(this.#context, this.id);
  }
}
