/** One container that is kept: Docker's verbs as methods. */
import { CaissonError } from '../errors.js';
import type { CgroupLayout } from '../cgroup/detect.js';
import { type CgroupPlace, placesOf } from '../cgroup/places.js';
import { Attached, type AttachOptions, type AttachResult } from './attached.js';
import { type ExecPlace, type StartedExec, startExec } from './exec.js';
import type { ExecOptions } from './exec-options.js';
import type { Execution } from './execution.js';
import { freezerState, setFrozen } from './freezer.js';
import { checkContainerName } from './host-names.js';
import { imageOf } from './image-of.js';
import { type LogEntry, type LogOptions, readLogs } from './log-reader.js';
import { POLICY_NUMBERS } from './monitor-config.js';
import { normalizeResources } from './resources.js';
import { parseRestartPolicy } from './restart-policy.js';
import { type ContainerStats, readStats } from './stats.js';
import { top, type TopResult } from './top.js';
import { mergeResources, type ResourceChange, updateResources } from './update.js';
import { waitFor } from './wait-for.js';
import { conflicting, wholeNumber } from './check.js';
import { shortId } from './ids.js';
import { isTerminal, startKept } from './keep.js';
import { withLock } from './locks.js';
import { discard, discardUnreadable, isSettled, mend, tell, undoRun } from './mend.js';
import { MonitorConnection, type MonitorExit, type MonitorListener } from './monitor-connection.js';
import type { Surroundings } from './prepare.js';
import { parseSignal } from './signals.js';
import { noSuchContainer, type Store } from './store.js';
import type {
  ContainerInfo,
  ContainerStatus,
  RestartPolicy,
  StoredConfig,
  StoredState,
} from './stored.js';

/** Where containers live, and what starts them. */
export interface ContainerHome {
  readonly store: Store;
  /** The machine's cgroups. */
  cgroups(): Promise<CgroupLayout>;
  /** What starting one needs, which is more than all the rest does. */
  surroundings(): Promise<Surroundings>;
  /** Is told of each program that was started in a container and ends with this process. */
  adopt(exec: StartedExec): void;
}

export interface UpdateOptions extends ResourceChange {
  readonly restart?: string | RestartPolicy | undefined;
}

/** What `waitFor` waits for: one of these. */
export interface WaitCondition {
  /** A line of the log that contains the text, or matches. */
  readonly log?: string | RegExp | undefined;
  /** A TCP port on which something in the container listens. */
  readonly port?: number | undefined;
  /** Milliseconds; default 60,000. */
  readonly timeout?: number | undefined;
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
const SIGKILL = 9;
const ESRCH = 3;
const MAX_STOP_TIMEOUT = 2_000_000;

export class Container {
  constructor(
    private readonly home: ContainerHome,
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
    const { store } = this.home;
    for (;;) {
      const config = store.config(this.id);
      if (config === undefined) throw noSuchContainer(this.id);
      const found = store.state(this.id);
      if (isSettled(store, found)) {
        return { config, state: found.state, status: await this.statusOf(found.state) };
      }
      await mend(store, this.id);
      // Its monitor is at work: removing it, or writing its end.
      if (!isSettled(store, store.state(this.id))) await pause();
    }
  }

  /** Starts it. A container that runs already is left as it is. */
  async start(): Promise<void> {
    await this.startWith(undefined);
  }

  /** Starts it with a client attached that misses nothing. What prevents the start rejects the client. */
  startAttached(options: AttachOptions = {}): Attached {
    const attached = this.client(options);
    this.startWith(attached).catch(attached.fail);
    return attached;
  }

  private async startWith(attached: Attached | undefined): Promise<void> {
    const { store } = this.home;
    const around = await this.home.surroundings();
    await withLock(store.places.runRoot, this.id, async () => {
      const config = store.config(this.id);
      if (config === undefined) throw noSuchContainer(this.id);
      const { state, damaged } = store.state(this.id);
      const status = await this.statusOf(state);
      if (status === 'paused') throw this.paused('start');
      if (store.isKept(state)) {
        if (attached !== undefined) throw this.running('start it with a client');
        return;
      }
      // What a killed monitor may have left, at whatever point of its life.
      if (damaged || state.status !== 'created' || state.finishedAt !== '') await undoRun(this.id);
      try {
        await startKept(around, store, config, attached);
      } catch (error) {
        await this.startFailed(config, state, error);
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
    const { store } = this.home;
    await undoRun(this.id);
    if (store.config(this.id) === undefined) return; // it has removed itself
    if (config.autoRemove) {
      await discard(store, config);
      return;
    }
    const failed = error instanceof CaissonError ? error : undefined;
    await store.writeState(this.id, {
      ...before,
      status: before.status === 'created' ? 'created' : 'exited',
      pid: 0,
      startTime: '',
      monitor: '',
      exitCode: failed?.exitCode === 125 || failed === undefined ? 128 : failed.exitCode,
      error: error instanceof Error ? error.message : String(error),
    });
  }

  /** A client of a running container: its streams from now on. What prevents it rejects the client. */
  attach(options: AttachOptions = {}): Attached {
    const attached = this.client(options);
    this.connectClient(attached).catch(attached.fail);
    return attached;
  }

  private async connectClient(attached: Attached): Promise<void> {
    const { status } = await this.inspect();
    if (status === 'paused') throw this.paused('attach to');
    const connection = await MonitorConnection.open(
      this.home.store.sockets,
      this.id,
      attached.listener,
    );
    if (connection === undefined) throw this.notRunning();
    connection.attach(attached.bits);
    attached.connect(connection);
  }

  /** Not asynchronous, because an Attached is a promise, which others cannot be of. */
  private client(options: AttachOptions): Attached {
    let config: StoredConfig | undefined;
    try {
      config = this.home.store.config(this.id);
    } catch {
      // Damaged; whoever starts or looks at it says so.
    }
    return new Attached(
      { kill: (signal) => this.kill(signal), exit: () => this.attachedExit() },
      { ...options, stdin: (options.stdin ?? true) && config?.openStdin === true },
      config !== undefined && isTerminal(config.options),
    );
  }

  private async attachedExit(): Promise<AttachResult> {
    const { exitCode, oomKilled } = await this.wait();
    return { exitCode, oomKilled, detached: false };
  }

  /** Waits until it does not run, nor is about to. One that does not run is no reason to wait. */
  async wait(): Promise<ContainerExit> {
    for (;;) {
      const { state } = await this.inspect();
      if (!isActive(state)) return exitOf(state);
      const exit = await this.monitorEnd();
      if (exit !== undefined) return exit;
      await pause();
    }
  }

  /** Until the monitor says that it was the last run; undefined when it left, or is not there. */
  private monitorEnd(
    ask?: (connection: MonitorConnection) => void,
  ): Promise<ContainerExit | undefined> {
    return this.talk(ask, (answer) => ({
      exited: (exit: MonitorExit) => {
        if (exit.restarting) return;
        answer({
          exitCode: exit.signal === 0 ? exit.code : 128 + exit.signal,
          oomKilled: exit.oomKills > 0,
          error: '',
        });
      },
    }));
  }

  /** Asks the monitor, and waits for an answer; undefined when it left before, or is not there. */
  private async talk<T>(
    ask: ((connection: MonitorConnection) => void) | undefined,
    listen: (answer: (value: T) => void) => MonitorListener,
  ): Promise<T | undefined> {
    let answer!: (value: T | undefined) => void;
    const answered = new Promise<T | undefined>((resolve) => (answer = resolve));
    const connection = await MonitorConnection.open(this.home.store.sockets, this.id, {
      ...listen(answer),
      closed: () => answer(undefined),
    });
    if (connection === undefined) return undefined;
    ask?.(connection);
    try {
      return await answered;
    } finally {
      connection.close();
    }
  }

  /** Its stop signal; after the timeout everything in it is killed. One that does not run is left as it is. */
  async stop({ signal, timeout }: StopOptions = {}): Promise<void> {
    const number = signal === undefined ? undefined : parseSignal('signal', signal);
    const limit =
      timeout === undefined ? undefined : wholeNumber('timeout', timeout, -1, MAX_STOP_TIMEOUT);
    const { config, state } = await this.inspect();
    if (!isActive(state)) return;
    const seconds = limit ?? config.stopTimeout;
    tell(this.home.store, config, 'kill', { signal: String(number ?? config.stopSignal) });
    await this.monitorEnd((connection) =>
      connection.stop(number ?? config.stopSignal, seconds < 0 ? -1 : seconds * 1000),
    );
    await this.settled();
    tell(this.home.store, config, 'stop');
  }

  /**
   * Sends a signal to the program (KILL, which is the default, ends everything) and waits for the end after KILL.
   *
   * @throws ERR_CONTAINER_NOT_RUNNING
   */
  async kill(signal: string | number = SIGKILL): Promise<void> {
    const number = parseSignal('signal', signal);
    const { config, state } = await this.inspect();
    if (!isActive(state)) throw this.notRunning();
    // Before it is sent: what follows from it is told by the monitor, and comes after it.
    tell(this.home.store, config, 'kill', { signal: String(number) });
    const errno = await this.talk<number>(
      (connection) => connection.signal(number),
      (answer) => ({ done: answer }),
    );
    if (errno === undefined || errno === ESRCH) throw this.notRunning();
    if (number === SIGKILL) await this.monitorEnd();
    if (number === SIGKILL) await this.settled();
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
    const { store } = this.home;
    await withLock(store.places.runRoot, this.id, async () => {
      const config = store.config(this.id);
      if (config === undefined) throw noSuchContainer(this.id);
      const { state } = store.state(this.id);
      const status = isSettled(store, { state, damaged: false })
        ? await this.statusOf(state)
        : 'dead';
      if (!frozen && status !== 'paused') {
        throw new CaissonError(
          'ERR_CONTAINER_NOT_PAUSED',
          `container ${this.shortId} is not paused`,
          { stage: 'config', path: this.id },
        );
      }
      if (frozen && status === 'paused') throw this.paused('pause');
      if (frozen && status !== 'running') throw this.notRunning();
      await setFrozen(await this.places(), frozen);
      tell(store, config, action);
    });
  }

  /**
   * A further program in it, which ends with this process unless detached (exec.ts).
   *
   * @throws (as rejections) ERR_CONTAINER_NOT_RUNNING, ERR_CONTAINER_PAUSED, and what `run` rejects with
   */
  exec(argv: readonly string[], options: ExecOptions = {}): Execution {
    const started = startExec(() => this.execPlace(argv), argv, options);
    this.home.adopt(started);
    if (options.detach !== true) {
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
      config = this.home.store.config(this.id);
    } catch {
      // Damaged meanwhile; whoever looks at it says so.
    }
    if (config !== undefined)
      tell(this.home.store, config, 'exec_die', { exitCode: String(exitCode) });
  }

  private async execPlace(argv: readonly string[]): Promise<ExecPlace> {
    const { config, state, status } = await this.inspect();
    if (status === 'paused') throw this.paused('exec in');
    if (status !== 'running') throw this.notRunning();
    const around = await this.home.surroundings();
    // Docker's form: the program, a space, its arguments.
    const [program = '', ...rest] = Array.isArray(argv) ? argv.map(String) : [];
    for (const action of ['exec_create', 'exec_start'])
      tell(this.home.store, config, `${action}: ${program} ${rest.join(' ')}`);
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
      },
    };
  }

  /**
   * What it wrote, oldest first; with `follow` until it ends.
   *
   * @throws ERR_INVALID_OPTION, ERR_NO_LOG
   */
  logs(options: Omit<LogOptions, 'ended'> = {}): AsyncGenerator<LogEntry> {
    const { store } = this.home;
    const config = store.config(this.id);
    if (config === undefined) throw noSuchContainer(this.id);
    if (config.log.driver === 'none') {
      throw new CaissonError('ERR_NO_LOG', 'the log driver "none" keeps nothing to be read', {
        stage: 'config',
        path: this.id,
      });
    }
    return readLogs(store.directory(this.id), {
      ...options,
      ended: async () => {
        await this.wait();
      },
    });
  }

  /** One look at what it uses; undefined when it does not run. */
  async stats(): Promise<ContainerStats | undefined> {
    const { state } = await this.inspect();
    if (state.status !== 'running') return undefined;
    return readStats(await this.places(), state.pid);
  }

  /**
   * Its processes, as the host's `ps` shows them.
   *
   * @param psArgs default `-ef`
   */
  async top(psArgs?: readonly string[]): Promise<TopResult> {
    const { status } = await this.inspect();
    if (status !== 'running' && status !== 'paused') throw this.notRunning();
    return top(
      (await this.places()).map(({ dir }) => dir),
      psArgs,
    );
  }

  /** Changes limits, at once where it runs, and the restart policy. All of it, or nothing. */
  async update({ restart, ...change }: UpdateOptions): Promise<void> {
    const { store } = this.home;
    const policy = restart === undefined ? undefined : parseRestartPolicy('restart', restart);
    await withLock(store.places.runRoot, this.id, async () => {
      const config = store.config(this.id);
      if (config === undefined) throw noSuchContainer(this.id);
      if (policy !== undefined && policy.name !== 'no' && config.autoRemove)
        throw conflicting('restart', 'the container is removed when it exits');
      const { state } = store.state(this.id);
      const around = await this.home.surroundings();
      const { layout, host } = around;
      const options =
        state.status === 'running'
          ? await updateResources({ layout, host }, this.id, config.options, change)
          : mergeResources(config.options, change);
      // What does not run is checked as its next start will.
      if (state.status !== 'running') normalizeResources(options, host);
      const updated = { ...config, options, restart: policy ?? config.restart };
      await store.writeConfig(updated);
      if (policy !== undefined) {
        await this.talk<number>(
          (connection) => connection.policy(POLICY_NUMBERS[policy.name], policy.maximumRetryCount),
          (answer) => ({ done: answer }),
        );
      }
      tell(store, updated, 'update');
    });
  }

  /**
   * Resolves when the condition holds.
   *
   * @throws ERR_TIMEOUT; ERR_CONTAINER_NOT_RUNNING when it ends before
   */
  async waitFor(condition: WaitCondition): Promise<void> {
    await waitFor(this, condition);
  }

  /** Stops and starts it. */
  async restart(options: StopOptions = {}): Promise<void> {
    await this.stop(options);
    await this.start();
    const config = this.home.store.config(this.id);
    if (config !== undefined) tell(this.home.store, config, 'restart');
  }

  /**
   * Another name.
   *
   * @throws ERR_NAME_IN_USE
   */
  async rename(name: string): Promise<void> {
    const wanted = checkContainerName(name);
    const { store } = this.home;
    await withLock(store.places.runRoot, this.id, async () => {
      const config = store.config(this.id);
      if (config === undefined) throw noSuchContainer(this.id);
      if (config.name === wanted) throw nameInUse(wanted, this.id);
      if (!(await store.claimName(wanted, this.id)))
        throw nameInUse(wanted, await store.named(wanted));
      const renamed = { ...config, name: wanted };
      await store.writeConfig(renamed);
      await this.talk<number>(
        (connection) => connection.renamed(wanted),
        (answer) => ({ done: answer }),
      );
      await store.releaseName(config.name, this.id);
      tell(store, renamed, 'rename', { oldName: config.name });
    });
  }

  /**
   * Removes it with all that it wrote.
   *
   * @throws ERR_CONTAINER_RUNNING without `force`
   */
  async remove({ force = false }: RemoveOptions = {}): Promise<void> {
    const { store } = this.home;
    const { runRoot } = store.places;
    let config: StoredConfig | undefined;
    try {
      const { state } = await this.inspect();
      if (isActive(state)) {
        if (!force) throw this.running('remove it', 'stop it first, or use force (rm -f)');
        await this.kill().catch(ignoreNotRunning);
      }
    } catch (error) {
      if (!(error instanceof CaissonError)) throw error;
      if (error.code === 'ERR_DAMAGED_STATE' && force) {
        await withLock(runRoot, this.id, () => discardUnreadable(store, this.id));
        return;
      }
      // With `autoRemove` it goes by itself when it is killed.
      if (!(error.code === 'ERR_NO_SUCH_CONTAINER' && force)) throw error;
    }
    await withLock(runRoot, this.id, async () => {
      config = store.config(this.id);
      if (config === undefined) return;
      const { state } = store.state(this.id);
      if (isActive(state) && store.isKept(state))
        throw this.running('remove it', 'somebody has just started it');
      await store.writeState(this.id, { ...state, status: 'removing', monitor: '' });
      await discard(store, config);
    });
  }

  /** Until what is on disk says what has just happened. */
  private async settled(): Promise<void> {
    await this.inspect().catch((error: unknown) => {
      if (!(error instanceof CaissonError && error.code === 'ERR_NO_SUCH_CONTAINER')) throw error;
    });
  }

  private async statusOf(state: StoredState): Promise<ContainerStatus> {
    if (state.status !== 'running') return state.status;
    return (await freezerState(await this.places())) === 'paused' ? 'paused' : 'running';
  }

  private async places(): Promise<readonly CgroupPlace[]> {
    return placesOf(await this.home.cgroups(), this.id);
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

function exitOf({ exitCode, oomKilled, error }: StoredState): ContainerExit {
  return { exitCode, oomKilled, error };
}

function ignoreNotRunning(error: unknown): void {
  const code = error instanceof CaissonError ? error.code : undefined;
  if (code !== 'ERR_CONTAINER_NOT_RUNNING' && code !== 'ERR_NO_SUCH_CONTAINER') throw error;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE));
}
