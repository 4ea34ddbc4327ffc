/** What a verb asks of the supervisor of a container, and how it waits for the answer. */
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { onAbort } from '../../base/abort-signals.js';
import { CaissonError } from '../../base/errors.js';
import { shortId } from '../../base/ids.js';
import { bootId, isAlive } from '../../host/owner.js';
import type { StoredState } from '../store/stored.js';
import {
  SupervisorConnection,
  type SupervisorExit,
  type SupervisorListener,
} from '../supervisor/supervisor-connection.js';
import type { ContainerContext } from './container-context.js';
import { inspectIfThere, pause } from './inspect-container.js';
import { isActiveStatus } from './transitions.js';

/** How a container ended. */
export interface ContainerExit {
  /** The program’s own; 128+n when signal n ended it. */
  readonly exitCode: number;
  /** The kernel killed a process of the container for want of memory. */
  readonly oomKilled: boolean;
  /** Why it could not be started, or why its end is not known; empty otherwise. */
  readonly error: string;
}

export type Request = (connection: SupervisorConnection) => void;

/** Makes a listener that calls `answer` with what is waited for. */
type Listen<T> = (answer: (value: T) => void) => SupervisorListener;

/** Milliseconds for which a supervisor that refuses another client is asked again. */
const PATIENCE = 10_000;

/** The same for one without a socket, which may be leaving. */
const LEAVING = 1_000;

/** cpp/supervisor/clients.h. */
export const MAX_CLIENTS = 64;

export class SupervisorClient {
  constructor(
    private readonly context: ContainerContext,
    private readonly id: string,
  ) {}

  /** One connection and one answer; undefined when there is no supervisor, or it left, or it has too many clients. */
  async talk<T>(
    request: Request | undefined,
    listen: Listen<T>,
    signal?: AbortSignal,
  ): Promise<T | undefined> {
    const opened = await this.open(request, listen);
    if (opened === undefined) return undefined;
    const { connection, answered } = opened;
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

  /** `talk`, whose connection stays open. */
  async hold(request: Request): Promise<SupervisorConnection | undefined> {
    const opened = await this.open(request, done);
    if (opened === undefined) return undefined;
    return (await opened.answered) === undefined ? undefined : opened.connection;
  }

  /** The answer is undefined if the connection ends before it. */
  private async open<T>(request: Request | undefined, listen: Listen<T>) {
    let answer!: (value: T | undefined) => void;
    const answered = new Promise<T | undefined>((resolve) => (answer = resolve));
    const connection = await SupervisorConnection.open(this.context.store.sockets, this.id, {
      ...listen(answer),
      closed: () => answer(undefined),
    });
    if (connection === undefined) return undefined;
    request?.(connection);
    return { connection, answered };
  }

  /**
   * Tries until an attempt has a result. Undefined: the container is no longer active.
   *
   * @throws ERR_TIMEOUT; ERR_STORAGE if its socket was deleted
   */
  async retry<T>(attempt: () => Promise<T | undefined>): Promise<T | undefined> {
    const began = performance.now();
    for (;;) {
      const result = await attempt();
      if (result !== undefined) return result;
      const info = await inspectIfThere(this.context, this.id);
      if (info === undefined || !isActiveStatus(info.status)) return undefined;
      const waited = performance.now() - began;
      if (waited > PATIENCE) throw tooManyClients(this.id);
      if (waited > LEAVING && !this.hasSocket()) throw this.socketIsGone(info.state);
      await pause();
    }
  }

  /** `talk`, until there is an answer. Undefined: the container is no longer active. */
  ask<T>(request: Request, listen: Listen<T>): Promise<T | undefined> {
    return this.retry(() => this.talk(request, listen));
  }

  /** A request that the supervisor answers with 0 or an errno. Undefined: the container is no longer active. */
  command(request: Request): Promise<number | undefined> {
    return this.ask(request, done);
  }

  /** Until the last run has ended; undefined when the supervisor left before, or is not there. */
  lastExit(): Promise<ContainerExit | undefined> {
    return this.talk(undefined, lastExit);
  }

  private get socket(): string {
    return join(this.context.store.sockets, this.id);
  }

  private hasSocket(): boolean {
    return existsSync(this.socket);
  }

  private socketIsGone({ supervisor }: StoredState): CaissonError {
    const [pid = ''] = supervisor.split(' ');
    return new CaissonError(
      'ERR_STORAGE',
      `container ${shortId(this.id)} cannot be reached: the socket of its supervisor was deleted while it runs: ${this.socket}`,
      {
        stage: 'config',
        path: this.socket,
        hint: `caisson kill and caisson rm -f end it; kill ${pid} stops it, with its stop signal`,
      },
    );
  }

  /** Kills a container whose supervisor cannot be reached, because its socket was deleted; it then tears it down. False: it can. */
  killWithoutSocket({ supervisor, pid, startTime }: StoredState): boolean {
    if (this.hasSocket() || !isAlive(supervisor)) return false;
    // SIGTERM: a stop is requested, after which no other run follows.
    process.kill(Number(supervisor.split(' ')[0]), 'SIGTERM');
    if (pid > 1 && isAlive(`${pid} ${startTime} ${bootId()}`)) process.kill(pid, 'SIGKILL');
    return true;
  }

  /** Until the supervisor that a state names is no longer the container's. */
  async untilLeft({ supervisor }: StoredState): Promise<void> {
    for (;;) {
      const info = await inspectIfThere(this.context, this.id);
      if (info?.state.supervisor !== supervisor || !isActiveStatus(info.status)) return;
      if ((await this.lastExit()) === undefined) await pause();
    }
  }

  /**
   * Kills a container that is being started. Its state does not say so yet, but its supervisor listens, also while it
   * waits for the program that gives the container its network. False: no start is under way.
   */
  async killStart(): Promise<boolean> {
    const errno = await this.talk(kill(constants.signals.SIGKILL), done);
    if (errno !== 0) return false;
    await this.lastExit();
    return true;
  }
}

export function kill(signal: number): Request {
  return (connection) => connection.signal(signal);
}

export function done(answer: (errno: number) => void): SupervisorListener {
  return { done: answer };
}

/** The end of the last run. */
export function lastExit(answer: (exit: ContainerExit) => void): SupervisorListener {
  return {
    exited: (exit) => {
      if (!exit.restarting) answer(exitOf(exit));
    },
  };
}

/** The end of the present run, also when another one follows. */
export function anyExit(answer: (exit: ContainerExit) => void): SupervisorListener {
  return { exited: (exit) => answer(exitOf(exit)) };
}

function exitOf({ code, signal, oomKills }: SupervisorExit): ContainerExit {
  return { exitCode: signal === 0 ? code : 128 + signal, oomKilled: oomKills > 0, error: '' };
}

function tooManyClients(id: string): CaissonError {
  return new CaissonError(
    'ERR_TIMEOUT',
    `too many clients are attached to container ${shortId(id)} (limit ${MAX_CLIENTS})`,
    { stage: 'config', path: id, hint: 'detach one of them' },
  );
}
