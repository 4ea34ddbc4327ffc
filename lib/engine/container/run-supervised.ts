/**
 * `Engine.run` of a rootless user. No thread of Node's can enter a user namespace; so a supervisor starts the container. It
 * is a detached container that removes itself, and that ends with its first client, this process.
 */
import { existsSync } from 'node:fs';
import type { RootfsImage } from '../../image/rootfs.js';
import { makeTimeline, type Timeline } from '../../program/timeline.js';
import { CaissonError } from '../../base/errors.js';
import type { ContainerConfig } from '../options/config.js';
import type { ContainerContext } from './container-context.js';
import { createContainer } from './create-container.js';
import type { ExecutionController } from '../start/execution-controller.js';
import type { FirstClient } from '../supervisor/first-client.js';
import { disposeContainer } from './remove-container.js';
import { startContainer } from './start-container.js';
import { claimContext } from '../networks/container-lookup.js';
import type { Store } from '../store/store.js';
import type { PolicyReport } from '../../network/policy/denied.js';
import { withNames } from '../start/policy-report.js';
import {
  ATTACH,
  SupervisorConnection,
  type SupervisorExit,
} from '../supervisor/supervisor-connection.js';
import type { RunOptions } from '../options/options.js';
import { checkDetached } from '../start/prepare-detached.js';
import type { StartContext } from '../start/context.js';

const SIGKILL = 9;

/** Milliseconds between two looks whether a container has ended whose output has no reader. */
const LOOK = 100;

/** Resolves when the container is gone. Rejects with why it was not started. */
export async function runSupervised(
  context: ContainerContext,
  startContext: StartContext,
  execution: ExecutionController,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
): Promise<void> {
  const config = await checkDetached(startContext, image, argv, options, true);
  execution.watch(config, options.signal);
  const { signal, stdin, stdout, stderr, timeout, maxOutput, maxLine, pull, ...rest } = options;
  void [signal, stdin, stdout, stderr, timeout, maxOutput, maxLine, pull];
  const id = await createContainer(
    context,
    startContext,
    image,
    argv,
    {
      ...rest,
      autoRemove: true,
      logDriver: 'none',
      openStdin: config.stdin === 'pipe',
      stdinOnce: true,
    },
    execution.id,
  );
  let reported = Promise.resolve<PolicyReport | undefined>(undefined);
  const report = () => {
    const kept = keptReport(context, id);
    reported = kept;
    return kept;
  };
  const client = new RunClient(execution, config, context.store, config.policy && report);
  try {
    await startContainer(context, id, client);
  } catch (error) {
    if (!execution.killed) throw error;
    client.ended({ code: -1, signal: SIGKILL, oomKills: 0 }, false);
    return;
  }
  await client.left;
  await reported.catch(() => undefined); // the result is rejected with it
  if (client.over) return;
  // Its supervisor has left without reporting an end: it was killed, or has waited too long for a reader.
  await disposeContainer(context, id);
  if (!execution.killed) {
    throw new CaissonError(
      'ERR_START_FAILED',
      'the supervisor was killed, and the container with it',
      {
        stage: 'host',
        path: id,
      },
    );
  }
  client.ended({ code: -1, signal: SIGKILL, oomKills: 0 }, true);
}

/** What its teardown has kept. Then the container is removed, which its supervisor leaves to this. */
async function keptReport(context: ContainerContext, id: string): Promise<PolicyReport> {
  const { store } = context;
  try {
    const { keptDenied } = await import('../../network/policy/denied.js');
    const { resolver } = claimContext(store).networks;
    return await withNames(resolver, id, { denied: keptDenied(store.directory(id)) });
  } finally {
    await disposeContainer(context, id);
  }
}

class RunClient implements FirstClient {
  readonly bound = true;
  readonly left: Promise<void>;
  over = false;
  draw: ((timestamps: Float64Array) => Timeline) | undefined;
  private leave!: () => void;
  /** One after the other, as they came. */
  private signals: Promise<void> = Promise.resolve();

  constructor(
    private readonly execution: ExecutionController,
    private readonly config: ContainerConfig,
    private readonly store: Store,
    /** What its policy has refused, if it has one: in the container's directory, which is removed after it. */
    private readonly report: (() => Promise<PolicyReport>) | undefined,
  ) {
    this.left = new Promise((resolve) => (this.leave = resolve));
  }

  get stdio(): FirstClient['stdio'] {
    const { terminal, stdin, stdout, stderr } = this.config;
    return terminal === undefined ? { stdin, stdout, stderr } : undefined;
  }

  get bits(): number {
    const { stdin, stdout, stderr } = this.config;
    return (
      (stdin === 'pipe' ? ATTACH.stdin : 0) |
      (stdout === 'pipe' ? ATTACH.stdout : 0) |
      (stderr === 'pipe' ? ATTACH.stderr : 0)
    );
  }

  readonly listener = {
    started: (pid: number) => this.execution.hasStarted(pid),
    output: (stream: 1 | 2, bytes: Buffer) => this.execution.hasSent(stream, bytes),
    outputEnd: (stream: 1 | 2) => this.execution.hasClosed(stream),
    exited: (exit: SupervisorExit) => this.ended(exit, true, this.report?.()),
    closed: () => this.leave(),
  };

  connect(connection: SupervisorConnection): void {
    const { store, execution } = this;
    const directory = store.directory(execution.id);
    if (this.report !== undefined) connection.keep(true);
    let look: NodeJS.Timeout | undefined;
    let draining = false;
    const resume = () => {
      clearInterval(look);
      look = undefined;
      connection.resume();
    };
    // The end is reported after the output. Where that is not read, the container's state shows the end.
    const drain = () => {
      draining = true;
      resume();
    };
    this.execution.connectSupervisor(connection, {
      pause: () => {
        if (draining) return;
        connection.pause();
        look ??= setInterval(() => {
          const { status } = store.state(execution.id).state;
          if (status === 'exited' || !existsSync(directory)) drain();
        }, LOOK);
      },
      resume,
      signal: (number) => {
        if (this.config.stdin === 'pipe') this.signalBeside(connection, number);
        else connection.signal(number);
        if (number === SIGKILL) drain();
      },
    });
  }

  /** By a connection of its own: on the first one, the signal would wait behind input that the program does not read. */
  private signalBeside(connection: SupervisorConnection, number: number): void {
    this.signals = this.signals.then(async () => {
      let answer!: (heard: boolean) => void;
      const answered = new Promise<boolean>((resolve) => (answer = resolve));
      const beside = await SupervisorConnection.open(this.store.sockets, this.execution.id, {
        done: () => answer(true),
        closed: () => answer(false),
      });
      beside?.signal(number);
      // The supervisor does not listen yet, or has left, or has too many clients.
      if (beside === undefined || !(await answered)) connection.signal(number);
      beside?.close();
    });
  }

  ended(
    exit: Pick<SupervisorExit, 'code' | 'signal' | 'oomKills'>,
    started: boolean,
    policy?: Promise<PolicyReport>,
  ): void {
    if (this.over) return;
    this.over = true;
    const { code, signal, oomKills } = exit;
    const timestamps =
      'timestamps' in exit ? (exit as SupervisorExit).timestamps : new Float64Array(0);
    const { draw } = this;
    // A stream that was not attached to has no end either.
    for (const stream of [1, 2] as const) this.execution.hasClosed(stream);
    this.execution.hasEnded({
      code,
      signal,
      oomKills,
      started,
      timeline: () => draw?.(timestamps) ?? makeTimeline(NOTHING, timestamps),
      policy,
    });
  }
}

const NOTHING = { slots: 0, host: [], container: [], teardown: [] };
