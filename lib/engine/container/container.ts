/** One container that is kept: Docker's verbs as methods. */
import { CaissonError } from '../../base/errors.js';
import type { CgroupLayout } from '../../cgroup/layout.js';
import { type CgroupDirectory, cgroupDirectories } from '../../cgroup/cgroup-paths.js';
import {
  Attached,
  type AttachedStreams,
  attachedStreams,
  type AttachOptions,
  type AttachResult,
} from '../supervisor/attached.js';
import { onAbort } from '../../base/abort-signals.js';
import { type ExecContext, type StartedExec, startExec } from '../start/exec.js';
import type { ExecOptions } from '../options/exec-options.js';
import type { Execution } from '../start/execution.js';
import { freezerState, setFrozen } from '../../cgroup/freezer.js';
import { checkContainerName } from '../options/host-names.js';
import { imageOf } from '../store/image-of.js';
import { type LogEntry, type LogOptions, readLogs } from '../logs/log-reader.js';
import { POLICY_NUMBERS } from '../supervisor/supervisor-config.js';
import { normalizeResources } from '../options/resources.js';
import { parseRestartPolicy, type RestartPolicy } from '../options/restart-policy.js';
import { type ContainerStats, readStats } from '../views/stats.js';
import { top, type TopResult } from '../views/top.js';
import {
  type CgroupFileWrite,
  mergeResources,
  planUpdate,
  putBack,
  type ResourceChange,
  updateResources,
  weighScope,
} from './update.js';
import { waitFor, type WaitCondition } from './wait-for.js';
import { boolean, checkOptions, conflicting, isRecord, wholeNumber } from '../../base/check.js';
import { shortId } from '../../base/ids.js';
import { type FirstClient, isTerminal, startDetached } from '../supervisor/start-detached.js';
import { withLock } from '../store/locks.js';
import { deleteContainer, deleteUnreadable, recover, tell, tearDownRun } from './recover.js';
import {
  SupervisorConnection,
  type SupervisorExit,
  type SupervisorListener,
} from '../supervisor/supervisor-connection.js';
import type { StartContext } from '../start/context.js';
import { isErrno } from '../../base/errno.js';
import { processesBeside } from '../../cgroup/processes.js';
import { parseSignal } from '../../base/signals.js';
import { isFull, type StagedFile } from '../../base/storage.js';
import { CREATED, isSettled, noSuchContainer, type Store } from '../store/store.js';
import type { ContainerInfo, ContainerStatus, StoredConfig, StoredState } from '../store/stored.js';

/** Where containers live, and what starts them. */
export interface ContainerContext {
  readonly store: Store;
  /** The machine's cgroups. */
  cgroups(): Promise<CgroupLayout>;
  /** What starting one needs, which is more than all the rest does. */
  startContext(): Promise<StartContext>;
  /** Is told of each program that was started in a container and ends with this process. */
  adopt(exec: StartedExec): void;
}

export interface UpdateOptions extends ResourceChange {
  readonly restart?: string | RestartPolicy | undefined;
}

export interface StopOptions {
  /** In place of the container's stop signal. */
  readonly signal?: string | number | undefined;
  /** Seconds until it is killed; -1: never. Default: the container's. */
  readonly timeout?: number | undefined;
}

export interface RemoveOptions {
  /** Kills it first if it runs. */
  readonly force?: boolean | undefined;
}

export interface ContainerExit {
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Why it could not be started, or what befell it. */
  readonly error: string;
}

/** Milliseconds before somebody is looked for again who has just left, or is about to come. */
const PAUSE = 10;
/** Milliseconds. */
const STATS_INTERVAL = 1000;
const NO_STREAMS: AttachedStreams = { stdin: false, stdout: false, stderr: false, maxLine: 0 };
/** Milliseconds for which a supervisor that takes nobody more is asked. */
const PATIENCE = 10_000;
const SIGKILL = 9;
const ESRCH = 3;
const MAX_STOP_TIMEOUT = 2_000_000;
/** Milliseconds that setTimeout() can wait. */
const MAX_TIMER = 2 ** 31 - 1;

export class Container {
  /** @internal */ constructor(
    private readonly context: ContainerContext,
    /** Long id. */
    readonly id: string,
  ) {}

  get shortId(): string {
    return shortId(this.id);
  }

  /**
   * What it is and how it is.
   *
   * @throws ERR_NO_SUCH_CONTAINER when it has been removed
   */
  async inspect(): Promise<ContainerInfo> {
    const { store } = this.context;
    for (;;) {
      const found = store.state(this.id);
      const config = store.config(this.id);
      if (config === undefined) throw noSuchContainer(this.id);
      if (isSettled(store, found)) {
        return store.info(config, found.state, await this.statusOf(config, found.state));
      }
      try {
        await recover(store, this.id);
      } catch (error) {
        // As Docker: something of it can be neither ended nor removed.
        if (!(error instanceof CaissonError && error.code === 'ERR_REMOVE_FAILED')) throw error;
        return store.info(config, found.state, 'dead');
      }
      // Its supervisor is at work: removing it, or writing its end.
      if (!isSettled(store, store.state(this.id))) await pause();
    }
  }

  /** Starts it. A container that runs already is left as it is. */
  async start(): Promise<void> {
    await this.startWith(undefined);
  }

  /** Starts it with a client attached that misses nothing. What prevents the start rejects the client. */
  startAttached(options: AttachOptions = {}): Attached {
    return this.client(options, (attached) => this.startWith(attached));
  }

  /** @internal As `startAttached`, for another kind of client. */
  startFor(client: FirstClient): Promise<void> {
    return this.startWith(client);
  }

  private async startWith(attached: FirstClient | undefined): Promise<void> {
    const { store } = this.context;
    const around = await this.context.startContext();
    await withLock(store.paths.runRoot, this.id, async (lock) => {
      const { config, state, damaged } = this.stored();
      const status = await this.statusOf(config, state);
      if (status === 'paused') throw this.paused('start');
      if (status === 'removing') throw noSuchContainer(this.id);
      if (store.isSupervised(state)) {
        if (attached !== undefined) throw this.running('start it with a client');
        return;
      }
      // What a killed supervisor may have left, at whatever point of its life.
      if (damaged || state.status !== 'created' || state.finishedAt !== '')
        await tearDownRun(config, state);
      try {
        await startDetached(around, store, config, attached, lock);
      } catch (error) {
        // Why it did not start is what the caller has to know, also where the disk takes no word of it.
        await this.startFailed(config, state, error).catch(() => undefined);
        throw error;
      }
    });
  }

  /** As Docker: the container stays as it was, with the exit code that the command line would end with. */
  private async startFailed(
    config: StoredConfig,
    before: StoredState,
    error: unknown,
  ): Promise<void> {
    const { store } = this.context;
    await tearDownRun(config);
    if (store.config(this.id) === undefined) return; // it has removed itself
    if (config.autoRemove) {
      await deleteContainer(store, config);
      return;
    }
    const failed = error instanceof CaissonError ? error : undefined;
    await store.writeState(this.id, {
      ...before,
      status: before.status === 'created' ? 'created' : 'exited',
      pid: 0,
      startTime: '',
      supervisor: '',
      exitCode: failed?.exitCode === 125 || failed === undefined ? 128 : failed.exitCode,
      error: error instanceof Error ? error.message : String(error),
    });
  }

  /** A client of a running container: its streams from now on. What prevents it rejects the client. */
  attach(options: AttachOptions = {}): Attached {
    return this.client(options, (attached) => this.connectClient(attached));
  }

  private async connectClient(attached: Attached): Promise<void> {
    const end = performance.now() + PATIENCE;
    for (;;) {
      const { state, status } = await this.inspect();
      if (status === 'paused') throw this.paused('attach to');
      if (!isActive(state)) throw this.notRunning();
      if (await this.tryClient(attached)) return;
      if (performance.now() > end) throw this.unreachable();
      await pause();
    }
  }

  /** False when the supervisor is not there, or has no place for one more. */
  private async tryClient(attached: Attached): Promise<boolean> {
    const then = attached.listener;
    let answer!: (accepted: boolean) => void;
    const answered = new Promise<boolean>((resolve) => (answer = resolve));
    const connection = await SupervisorConnection.open(this.context.store.sockets, this.id, {
      ...then,
      attached: (about) => {
        if (connection !== undefined) connection.listener = then;
        then.attached?.(about);
        answer(true);
      },
      closed: () => answer(false),
    });
    if (connection === undefined) return false;
    connection.attach(attached.bits);
    attached.connect(connection);
    return answered;
  }

  /** Not asynchronous, because an Attached is a promise, which others cannot be of. */
  private client(options: AttachOptions, connect: (attached: Attached) => Promise<void>): Attached {
    try {
      return this.clientOf(attachedStreams(options), connect);
    } catch (refusal) {
      const refused = this.clientOf(NO_STREAMS, () => Promise.resolve());
      refused.fail(refusal);
      return refused;
    }
  }

  private clientOf(
    streams: AttachedStreams,
    connect: (attached: Attached) => Promise<void>,
  ): Attached {
    let config: StoredConfig | undefined;
    try {
      config = this.context.store.config(this.id);
    } catch {
      // Damaged; whoever starts or looks at it says so.
    }
    const attached = new Attached(
      { kill: (signal) => this.kill(signal), exit: () => this.attachedExit() },
      { ...streams, stdin: streams.stdin && config?.openStdin === true },
      config !== undefined && isTerminal(config.options),
    );
    connect(attached).catch(attached.fail);
    return attached;
  }

  private async attachedExit(): Promise<AttachResult> {
    const { exitCode, oomKilled } = await this.wait();
    return { exitCode, oomKilled, detached: false };
  }

  /**
   * Waits until it does not run, nor is about to. One that does not run is no reason to wait.
   *
   * @param options.restarts false: for the end of its present run, whatever its restart policy does next.
   */
  async wait(options: { readonly restarts?: boolean } = {}): Promise<ContainerExit> {
    const { restarts = true } = checkOptions(options);
    boolean('restarts', restarts);
    return this.endOf(undefined, restarts);
  }

  /** @param signal what is then said is how it is */
  private async endOf(signal: AbortSignal | undefined, restarts = true): Promise<ContainerExit> {
    const enough = () => signal?.aborted === true;
    for (;;) {
      const { state, status } = await this.inspect();
      if (!isActive(state) || status === 'dead' || enough()) return exitOf(state);
      if (!restarts && status === 'restarting') return exitOf(state);
      const exit = await this.talk(undefined, restarts ? lastExit : anyExit, signal);
      if (exit !== undefined) return exit;
      if (!enough()) await pause();
    }
  }

  /** Until the supervisor says that it was the last run; undefined when it left, or is not there. */
  private supervisorEnd(): Promise<ContainerExit | undefined> {
    return this.talk(undefined, lastExit);
  }

  /**
   * As `talk`, again and again while the supervisor has no place for one more. Undefined: nobody keeps it any more.
   *
   * @throws ERR_TIMEOUT
   */
  private async reach<T>(
    ask: (connection: SupervisorConnection) => void,
    listen: (answer: (value: T) => void) => SupervisorListener,
  ): Promise<T | undefined> {
    const end = performance.now() + PATIENCE;
    for (;;) {
      const answer = await this.talk(ask, listen);
      if (answer !== undefined) return answer;
      const state = await this.stateNow();
      if (state === undefined || !isActive(state)) return undefined;
      if (performance.now() > end) throw this.unreachable();
      await pause();
    }
  }

  /** Until this supervisor, by its name in the state, keeps it no more. */
  private async untilLeft(supervisor: string): Promise<void> {
    for (;;) {
      const state = await this.stateNow();
      if (state?.supervisor !== supervisor || !isActive(state)) return;
      if ((await this.supervisorEnd()) === undefined) await pause();
    }
  }

  /**
   * Ends a start that is under way: its state does not say so yet, but its supervisor listens, also while it waits for
   * what gives the container its network. False: there is none.
   */
  private async endStart(): Promise<boolean> {
    const errno = await this.talk<number>(
      (connection) => connection.signal(SIGKILL),
      (answer) => ({ done: answer }),
    );
    if (errno !== 0) return false;
    await this.supervisorEnd();
    return true;
  }

  /** Undefined: it has been removed. */
  private async stateNow(): Promise<StoredState | undefined> {
    try {
      return (await this.inspect()).state;
    } catch (error) {
      if (error instanceof CaissonError && error.code === 'ERR_NO_SUCH_CONTAINER') return undefined;
      throw error;
    }
  }

  /** Asks the supervisor, and waits for an answer; undefined when it left before, or is not there. */
  private async talk<T>(
    ask: ((connection: SupervisorConnection) => void) | undefined,
    listen: (answer: (value: T) => void) => SupervisorListener,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    let answer!: (value: T | undefined) => void;
    const answered = new Promise<T | undefined>((resolve) => (answer = resolve));
    const connection = await SupervisorConnection.open(this.context.store.sockets, this.id, {
      ...listen(answer),
      closed: () => answer(undefined),
    });
    if (connection === undefined) return undefined;
    ask?.(connection);
    const leave = () => connection.close();
    const unlisten = signal && onAbort(signal, leave);
    if (signal?.aborted === true) leave();
    try {
      return await answered;
    } finally {
      unlisten?.();
      leave();
    }
  }

  /** Its stop signal; after the timeout everything in it is killed. One that does not run is left as it is. */
  async stop(options: StopOptions = {}): Promise<void> {
    const { number, limit } = checkStop(options);
    const { config, state } = await this.inspect();
    const seconds = limit ?? config.stopTimeout;
    const ask = (connection: SupervisorConnection) =>
      connection.stop(number ?? config.stopSignal, seconds < 0 ? -1 : seconds * 1000);
    if (!isActive(state)) {
      // Its supervisor may be starting it, of which its state says nothing yet.
      await this.talk(ask, lastExit);
      return;
    }
    tell(this.context.store, config, 'kill', { signal: String(number ?? config.stopSignal) });
    await this.reach(ask, lastExit);
    await this.untilLeft(state.supervisor);
    tell(this.context.store, config, 'stop');
  }

  /**
   * Sends a signal to the program (KILL, which is the default, ends everything) and waits for the end after KILL.
   *
   * @throws ERR_CONTAINER_NOT_RUNNING
   */
  async kill(signal: string | number = SIGKILL): Promise<void> {
    const number = parseSignal('signal', signal);
    const { config, state } = await this.inspect();
    if (!isActive(state)) {
      if (number === SIGKILL && (await this.endStart())) return;
      throw this.notRunning();
    }
    // Before it is sent: what follows from it is told by the supervisor, and comes after it.
    tell(this.context.store, config, 'kill', { signal: String(number) });
    const errno = await this.reach<number>(
      (connection) => connection.signal(number),
      (answer) => ({ done: answer }),
    );
    if (errno === undefined || errno === ESRCH) throw this.notRunning();
    if (number === SIGKILL) await this.untilLeft(state.supervisor);
  }

  /**
   * Everything in it stands still, until `unpause`.
   *
   * @throws ERR_CONTAINER_NOT_RUNNING, ERR_CONTAINER_PAUSED, ERR_FREEZE_FAILED
   */
  async pause(): Promise<void> {
    await this.freeze(true, 'pause');
  }

  /** @throws ERR_CONTAINER_NOT_PAUSED */
  async unpause(): Promise<void> {
    await this.freeze(false, 'unpause');
  }

  private async freeze(frozen: boolean, action: string): Promise<void> {
    const { store } = this.context;
    await withLock(store.paths.runRoot, this.id, async () => {
      const { config, state } = this.stored();
      const status = isSettled(store, { state, damaged: false })
        ? await this.statusOf(config, state)
        : 'dead';
      if (!frozen && status !== 'paused') throw this.notPaused();
      if (frozen && status === 'paused') throw this.paused('pause');
      if (frozen && status !== 'running') throw this.notRunning();
      try {
        await setFrozen(await this.directories(config), frozen);
      } catch (error) {
        // It has ended meanwhile, or is about to be run again.
        const directories = await this.directories(config);
        if (directories.length > 0 && (await freezerState(directories)) === undefined)
          throw frozen ? this.notRunning() : this.notPaused();
        throw error;
      }
      tell(store, config, action);
    });
  }

  /**
   * A further program in it, which ends with this process unless detached (exec.ts).
   *
   * @throws (as rejections) ERR_CONTAINER_NOT_RUNNING, ERR_CONTAINER_PAUSED, and what `run` rejects with
   */
  exec(argv: readonly string[], options: ExecOptions = {}): Execution {
    const started = startExec(() => this.execContext(argv), argv, options);
    this.context.adopt(started);
    if (!isRecord(options) || options.detach !== true) {
      started.execution.then(
        ({ exitCode }) => this.tellExecEnd(exitCode),
        () => undefined,
      );
    }
    return started.execution;
  }

  private tellExecEnd(exitCode: number): void {
    let config: StoredConfig | undefined;
    try {
      config = this.context.store.config(this.id);
    } catch {
      // Damaged meanwhile; whoever looks at it says so.
    }
    if (config !== undefined)
      tell(this.context.store, config, 'exec_die', { exitCode: String(exitCode) });
  }

  private async execContext(argv: readonly string[]): Promise<ExecContext> {
    const { config, state, status } = await this.inspect();
    if (status === 'paused') throw this.paused('exec in');
    if (status !== 'running') throw this.notRunning();
    const around = await this.context.startContext();
    // Docker's form: the program, a space, its arguments.
    const [program = '', ...rest] = argv;
    for (const action of ['exec_create', 'exec_start'])
      tell(this.context.store, config, `${action}: ${program} ${rest.join(' ')}`);
    return {
      around,
      container: {
        id: this.id,
        image: imageOf(config.image),
        argv: config.argv,
        options: config.options,
        pid: state.pid,
        startTime: state.startTime,
        idBase: state.idBase,
        cgroupSlice: config.cgroupSlice,
        cgroupParent: config.cgroupParent,
      },
    };
  }

  /**
   * What it wrote, oldest first; with `follow` until it ends.
   *
   * @throws ERR_INVALID_OPTION, ERR_NO_LOG
   */
  logs(options: Omit<LogOptions, 'ended'> = {}): AsyncGenerator<LogEntry> {
    const { store } = this.context;
    checkOptions(options);
    const config = store.config(this.id);
    if (config === undefined) throw noSuchContainer(this.id);
    if (config.log.driver === 'none') {
      throw new CaissonError('ERR_NO_LOG', 'the log driver "none" keeps nothing to be read', {
        stage: 'config',
        path: this.id,
      });
    }
    const over = new AbortController();
    const entries = readLogs(store.directory(this.id), {
      ...options,
      ended: async () => {
        await this.endOf(over.signal);
      },
    });
    return untilLeft(entries, over);
  }

  /** One look at what it uses; undefined when it does not run. */
  async stats(): Promise<ContainerStats | undefined> {
    const { config, state } = await this.inspect();
    if (state.status !== 'running') return undefined;
    return readStats(await this.directories(config), state.pid);
  }

  /**
   * Looks again and again, until it ends.
   *
   * @param interval milliseconds between two looks
   */
  async *watchStats(interval = STATS_INTERVAL): AsyncGenerator<ContainerStats, void, undefined> {
    wholeNumber('interval', interval, 1, MAX_TIMER);
    for (;;) {
      const stats = await this.stats();
      if (stats === undefined) return;
      yield stats;
      await new Promise((resolve) => setTimeout(resolve, interval));
    }
  }

  /**
   * Its processes, as the host's `ps` shows them.
   *
   * @param psArgs default `-ef`
   */
  async top(psArgs?: readonly string[]): Promise<TopResult> {
    const { config, state, status } = await this.inspect();
    if (status !== 'running' && status !== 'paused') throw this.notRunning();
    const directories = await this.directories(config);
    return top(
      directories.length === 0
        ? () => processesBeside(state.pid)
        : directories.map(({ dir }) => dir),
      psArgs,
    );
  }

  /**
   * Changes limits, at once where it runs, and the restart policy. All of it, or nothing: the new configuration is
   * written beside the old one first, then the kernel and the supervisor are told, and only then is it put in place.
   * What has been told is taken back when a later place refuses.
   *
   * @throws as `updateResources`; ERR_STORAGE
   */
  async update(options: UpdateOptions): Promise<void> {
    const { restart, ...change } = checkOptions(options);
    const { store } = this.context;
    const policy = restart === undefined ? undefined : parseRestartPolicy('restart', restart);
    await withLock(store.paths.runRoot, this.id, async () => {
      const { config, state } = this.stored();
      if (policy !== undefined && policy.name !== 'no' && config.autoRemove)
        throw conflicting('restart', 'the container is removed when it exits');
      const around = await this.context.startContext();
      const { layout, host } = around;
      const limited = { layout, host, location: config };
      const merged = mergeResources(config.options, change, layout);
      // Wrong limits are refused before anything is written. What does not run is checked as its next start will.
      if (isActive(state)) planUpdate(limited, this.id, config.options, merged);
      else normalizeResources(merged, host);
      const updated = { ...config, options: merged, restart: policy ?? config.restart };
      const staged = await store.stageConfig(updated);
      const rollback: (() => Promise<unknown>)[] = [() => staged.remove()];
      try {
        // For the runs that its supervisor starts: the program that it has was made before.
        let writes: readonly CgroupFileWrite[] = [];
        let before: readonly CgroupFileWrite[] = [];
        if (state.status === 'running') {
          await updateResources(limited, this.id, config.options, change, (all, old) => {
            writes = all;
            before = old;
          });
          rollback.push(() => putBack(before));
        } else if (state.status === 'restarting') {
          ({ writes } = planUpdate(limited, this.id, config.options, merged));
          before = planUpdate(limited, this.id, merged, config.options).writes;
        }
        if (config.cgroupSlice !== undefined && writes.length > 0) {
          rollback.push(() => weighScope(this.id, before));
          await weighScope(this.id, writes);
        }
        if (isActive(state) && writes.length > 0) {
          rollback.push(() => this.tellLimits(before));
          await this.tellLimits(writes);
        }
        if (isActive(state) && policy !== undefined) {
          rollback.push(() => this.tellPolicy(config.restart));
          await this.tellPolicy(policy);
        }
        await this.commit(staged, updated, state);
      } catch (error) {
        for (const back of rollback.reverse()) await back().catch(() => undefined);
        throw error;
      }
      tell(store, updated, 'update');
    });
  }

  private async tellLimits(writes: readonly CgroupFileWrite[]): Promise<void> {
    await this.reach<number>(
      (connection) => connection.limits(writes),
      (answer) => ({ done: answer }),
    );
  }

  private async tellPolicy({ name, maximumRetryCount }: RestartPolicy): Promise<void> {
    await this.reach<number>(
      (connection) => connection.policy(POLICY_NUMBERS[name], maximumRetryCount),
      (answer) => ({ done: answer }),
    );
  }

  /**
   * Resolves when the condition holds.
   *
   * @throws ERR_TIMEOUT; ERR_CONTAINER_NOT_RUNNING when it ends before
   */
  async waitFor(condition: WaitCondition): Promise<void> {
    await waitFor(this, condition);
  }

  /** Stops and starts it. One that is removed when it exits stays, as with Docker. */
  async restart(options: StopOptions = {}): Promise<void> {
    checkStop(options);
    const { config: before, state } = await this.inspect();
    const staying = before.autoRemove && isActive(state);
    if (staying) await this.tellToKeep(true);
    try {
      await this.stop(options);
    } catch (error) {
      if (staying) await this.tellToKeep(false).catch(() => undefined);
      throw error;
    }
    await this.start();
    const config = this.context.store.config(this.id);
    if (config !== undefined) tell(this.context.store, config, 'restart');
  }

  private async tellToKeep(on: boolean): Promise<void> {
    await this.reach<number>(
      (connection) => connection.keep(on),
      (answer) => ({ done: answer }),
    );
  }

  /**
   * Another name. All directories have it, or none: what needs room on the disk comes first, and the names are told apart
   * until the configuration, which decides, is put in place.
   *
   * @throws ERR_NAME_IN_USE, ERR_STORAGE
   */
  async rename(name: string): Promise<void> {
    const wanted = checkContainerName(name);
    const { store } = this.context;
    await withLock(store.paths.runRoot, this.id, async () => {
      const { config, state } = this.stored();
      if (config.name === wanted) throw nameInUse(wanted, this.id);
      const renamed = { ...config, name: wanted };
      const staged = await store.stageConfig(renamed);
      const rollback: (() => Promise<unknown>)[] = [() => staged.remove()];
      try {
        if (!(await store.claimName(wanted, this.id)))
          throw nameInUse(wanted, await store.named(wanted));
        rollback.push(() => store.releaseName(wanted, this.id));
        if (isActive(state)) {
          rollback.push(() => this.tellName(config.name));
          await this.tellName(wanted);
        }
        await this.commit(staged, renamed, state);
      } catch (error) {
        for (const back of rollback.reverse()) await back().catch(() => undefined);
        throw error;
      }
      await store.releaseName(config.name, this.id);
      tell(store, renamed, 'rename', { oldName: config.name });
    });
  }

  private async tellName(name: string): Promise<void> {
    await this.reach<number>(
      (connection) => connection.renamed(name),
      (answer) => ({ done: answer }),
    );
  }

  /**
   * Removes it with all that it wrote.
   *
   * @throws ERR_CONTAINER_RUNNING without `force`
   */
  async remove(options: RemoveOptions = {}): Promise<void> {
    const { force = false } = checkOptions(options);
    boolean('force', force);
    const { store } = this.context;
    const { runRoot } = store.paths;
    let config: StoredConfig | undefined;
    // A supervisor that is just starting it has it.
    if (force && !isActive(store.state(this.id).state)) await this.endStart();
    await withLock(runRoot, this.id, () => Promise.resolve());
    try {
      const { state } = await this.inspect();
      if (isActive(state)) {
        if (!force) throw this.running('remove it', 'stop it first, or use force (rm -f)');
        await this.kill().catch(ignoreNotRunning);
      }
    } catch (error) {
      if (!(error instanceof CaissonError)) throw error;
      if (error.code === 'ERR_DAMAGED_STATE' && force) {
        // What still runs of it is not run again.
        await this.talk<number>(
          (connection) => connection.signal(SIGKILL),
          (answer) => ({ done: answer }),
        );
        await this.supervisorEnd();
        await withLock(runRoot, this.id, () => deleteUnreadable(store, this.id));
        return;
      }
      // With `autoRemove` it goes by itself when it is killed.
      if (!(error.code === 'ERR_NO_SUCH_CONTAINER' && force)) throw error;
    }
    await withLock(runRoot, this.id, async () => {
      config = store.config(this.id);
      if (config === undefined) return;
      const { state } = store.state(this.id);
      if (isActive(state) && store.isSupervised(state))
        throw this.running('remove it', 'somebody has just started it');
      // So that whoever finds the rest goes on. Not where there is no room to say so.
      await store
        .writeState(this.id, { ...state, status: 'removing', supervisor: '' })
        .catch(ignoreFullDisk);
      await deleteContainer(store, config);
    });
  }

  /** Of whoever holds its lock: a container that is removing itself, for which nobody needs the lock, is gone. */
  private stored(): { config: StoredConfig; state: StoredState; damaged: boolean } {
    const { store } = this.context;
    const found = store.state(this.id);
    // In this order: what is removed loses its configuration first, and without a state it looks like new.
    const config = store.config(this.id);
    if (config === undefined || found.state.status === 'removing') throw noSuchContainer(this.id);
    return { config, ...found };
  }

  private async commit(
    staged: StagedFile,
    config: StoredConfig,
    before: StoredState,
  ): Promise<void> {
    try {
      await staged.commit();
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    await this.unlessGone(config, before);
  }

  /** @throws ERR_NO_SUCH_CONTAINER when it removed itself meanwhile; what was written since is removed, too. */
  private async unlessGone(config: StoredConfig, before: StoredState): Promise<void> {
    const { store } = this.context;
    const { state } = store.state(this.id);
    const lost = state === CREATED && before !== CREATED;
    if (store.config(this.id) !== undefined && state.status !== 'removing' && !lost) return;
    await store.releaseName(config.name, this.id);
    await deleteUnreadable(store, this.id);
    throw noSuchContainer(this.id);
  }

  /** Removes it, running or not. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.remove({ force: true }).catch((error: unknown) => {
      if (!(error instanceof CaissonError && error.code === 'ERR_NO_SUCH_CONTAINER')) throw error;
    });
  }

  private async statusOf(config: StoredConfig, state: StoredState): Promise<ContainerStatus> {
    if (state.status !== 'running') return state.status;
    return (await freezerState(await this.directories(config))) === 'paused' ? 'paused' : 'running';
  }

  private async directories(config: StoredConfig): Promise<readonly CgroupDirectory[]> {
    return cgroupDirectories(await this.context.cgroups(), this.id, config);
  }

  private running(what: string, hint?: string): CaissonError {
    return new CaissonError(
      'ERR_CONTAINER_RUNNING',
      `cannot ${what}: container ${this.shortId} is running`,
      { stage: 'config', path: this.id, hint },
    );
  }

  private notRunning(): CaissonError {
    return new CaissonError(
      'ERR_CONTAINER_NOT_RUNNING',
      `container ${this.shortId} is not running`,
      {
        stage: 'config',
        path: this.id,
      },
    );
  }

  private unreachable(): CaissonError {
    return new CaissonError(
      'ERR_TIMEOUT',
      `the supervisor of container ${this.shortId} has no place for another client`,
      { stage: 'config', path: this.id, hint: 'too many are attached to it' },
    );
  }

  private notPaused(): CaissonError {
    return new CaissonError('ERR_CONTAINER_NOT_PAUSED', `container ${this.shortId} is not paused`, {
      stage: 'config',
      path: this.id,
    });
  }

  private paused(what: string): CaissonError {
    return new CaissonError(
      'ERR_CONTAINER_PAUSED',
      `cannot ${what} container ${this.shortId}: it is paused`,
      { stage: 'config', path: this.id, hint: 'unpause it first' },
    );
  }
}

export function nameInUse(name: string, id: string | undefined): CaissonError {
  return new CaissonError(
    'ERR_NAME_IN_USE',
    `the name "${name}" is in use by container ${id === undefined ? '(unknown)' : shortId(id)}`,
    {
      stage: 'config',
      path: name,
      hint: 'remove or rename that container, or choose another name',
    },
  );
}

/** It runs, or will again by itself. */
export function isActive({ status }: StoredState): boolean {
  return status === 'running' || status === 'restarting';
}

/** Checked before anything is told or sent. */
function checkStop(options: StopOptions): { number?: number; limit?: number } {
  const { signal, timeout } = checkOptions(options);
  return {
    ...(signal === undefined ? {} : { number: parseSignal('signal', signal) }),
    ...(timeout === undefined
      ? {}
      : { limit: wholeNumber('timeout', timeout, -1, MAX_STOP_TIMEOUT) }),
  };
}

function exitOf({ exitCode, oomKilled, error }: StoredState): ContainerExit {
  return { exitCode, oomKilled, error };
}

/** Who reads no more does not wait for the end either. */
async function* untilLeft(
  entries: AsyncGenerator<LogEntry>,
  over: AbortController,
): AsyncGenerator<LogEntry> {
  try {
    yield* entries;
  } finally {
    over.abort();
  }
}

function lastExit(answer: (exit: ContainerExit) => void): SupervisorListener {
  return {
    exited: (exit) => {
      if (!exit.restarting) answer(saidOf(exit));
    },
  };
}

function anyExit(answer: (exit: ContainerExit) => void): SupervisorListener {
  return { exited: (exit) => answer(saidOf(exit)) };
}

function saidOf({ code, signal, oomKills }: SupervisorExit): ContainerExit {
  return {
    exitCode: signal === 0 ? code : 128 + signal,
    oomKilled: oomKills > 0,
    error: '',
  };
}

function ignoreFullDisk(error: unknown): void {
  if (!isFull(error) && !isErrno(error, 'ENOENT')) throw error;
}

function ignoreNotRunning(error: unknown): void {
  const code = error instanceof CaissonError ? error.code : undefined;
  if (code !== 'ERR_CONTAINER_NOT_RUNNING' && code !== 'ERR_NO_SUCH_CONTAINER') throw error;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE));
}
