/** `Engine.run`: from its arguments to an execution. */
import { checkOptions, invalid, isRecord } from '../base/check.js';
import { CaissonError } from '../base/errors.js';
import { newId } from '../base/ids.js';
import type { RootfsImage } from '../image/rootfs.js';
import { NO_DEFAULTS } from '../image/snapshots/resolve.js';
import type { EngineContext } from './engine-context.js';
import { normalize } from './options/config.js';
import { normalizeEnv } from './options/env.js';
import type { CreateOptions } from './options/create-options.js';
import type { RunOptions } from './options/options.js';
import { ExecutionController } from './start/execution-controller.js';
import { launch } from './start/launch.js';
import { prepare, recall } from './start/prepare.js';
import type { Prepared } from './start/prepared-start.js';
import type { GivenCommand } from './start/start-template.js';
import type { Given, Waiting } from './start/waiting.js';

export function startRun(
  context: EngineContext,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
  waiting?: Waiting,
): ExecutionController {
  const id = newId();
  let run: ExecutionController;
  try {
    run = new ExecutionController(id, isRecord(options) ? options : {});
  } catch (error) {
    // Options that throw when they are read.
    run = new ExecutionController(id, {});
    run.hasFailed(error);
    waiting?.gone();
    return run;
  }
  context.running.add(run);
  try {
    start(context, run, image, argv, options, waiting);
  } catch (error) {
    isOver(context, run, waiting, error);
  }
  return run;
}

/** @throws ERR_ENGINE_CLOSED, ERR_INVALID_OPTION */
export function checkCall({ running }: EngineContext, options: RunOptions | CreateOptions): void {
  if (running.closed)
    throw new CaissonError('ERR_ENGINE_CLOSED', 'the engine is closed', { stage: 'config' });
  checkOptions(options);
}

function start(
  context: EngineContext,
  run: ExecutionController,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
  waiting: Waiting | undefined,
): void {
  checkCall(context, options);
  if (options.signal?.aborted === true) {
    throw new CaissonError('ERR_ABORTED', 'the signal was aborted before the start', {
      stage: 'config',
      path: 'signal',
      cause: options.signal.reason,
    });
  }
  const canBeKnown = context.users === undefined && options.pull !== 'always';
  const known = canBeKnown ? recall(context, run.id, image, argv, options) : undefined;
  if (known !== undefined && !(known instanceof Promise))
    return launchRun(context, run, known, argv, options, waiting);
  refuseDetachedOptions(options);
  const later =
    known?.then((prepared) => launchRun(context, run, prepared, argv, options, waiting)) ??
    startLater(context, run, image, argv, options, waiting);
  later.catch((error: unknown) => isOver(context, run, waiting, error));
}

/** Where the host has to be looked at first. */
async function startLater(
  context: EngineContext,
  run: ExecutionController,
  image: string | RootfsImage,
  argv: readonly string[],
  options: RunOptions,
  waiting: Waiting | undefined,
): Promise<void> {
  if (typeof image === 'string' && image !== 'host') {
    const { ensureImage } = await import('./images/ensure-image.js');
    const check = () => {
      normalize(argv.length === 0 ? ['true'] : argv, options, NO_DEFAULTS, context.host);
    };
    await ensureImage(context, image, { ...options, check });
  }
  if (context.users !== undefined) {
    const { runSupervised } = await import('./container/run-supervised.js');
    await runSupervised(context, context, run, image, argv, options);
    isOver(context, run, waiting);
    return;
  }
  const prepared = await prepare(context, run.id, image, argv, options);
  await prepared.makeParents().catch((error: unknown) => {
    prepared.release();
    throw error;
  });
  launchRun(context, run, prepared, argv, options, waiting);
}

function launchRun(
  context: EngineContext,
  run: ExecutionController,
  prepared: Prepared,
  argv: readonly string[],
  options: RunOptions,
  waiting: Waiting | undefined,
): void {
  if (waiting === undefined) run.watch(prepared.config, options.signal);
  else if (waiting.parked !== undefined) {
    const { parked } = waiting;
    prepared.parked = (goOn) =>
      parked((given) => {
        if (given === undefined) return goOn() === 0;
        const command = prepared.claim(withGiven(argv, options, given), options.entrypoint);
        return command === undefined ? undefined : goOn(command) === 0;
      });
  }
  let retries = 0;
  const over = (failure: CaissonError | undefined, executed: boolean): void => {
    if (failure !== undefined && lostParent(failure) && retries++ < LOST_PARENT_RETRIES)
      return launch(context.binding, run, prepared, over);
    prepared.release(executed);
    isOver(context, run, waiting, failure);
  };
  launch(context.binding, run, prepared, over);
}

/** The command of a run, with what a job adds to it. What is no array will be refused. */
export function withGiven(
  argv: readonly string[],
  { env, workdir }: RunOptions,
  given: Given,
): GivenCommand & Pick<RunOptions, 'workdir'> {
  return {
    argv: Array.isArray(argv) ? [...(argv as readonly string[]), ...(given.args ?? [])] : argv,
    env: [...normalizeEnv(env), ...normalizeEnv(given.env)],
    workdir: given.workdir ?? workdir,
  };
}

function isOver(
  { running }: EngineContext,
  run: ExecutionController,
  waiting: Waiting | undefined,
  failure?: unknown,
): void {
  if (failure !== undefined) run.hasFailed(failure);
  running.remove(run);
  waiting?.gone();
}

/** A run is removed when it ends, and ends with this process: it has no use for these. */
function refuseDetachedOptions(options: RunOptions): void {
  for (const name of ['name', 'labels', 'stopSignal'] as const) {
    if (options[name] !== undefined)
      throw invalid(name, options[name], 'is for detached containers', 'see Engine.create');
  }
}

const LOST_PARENT_RETRIES = 8;

/** What a write below a removed cgroup fails with. */
const GONE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENODEV']);

/**
 * Another process, as it ended, removed the cgroup that all containers share after this start had made it and before it
 * was used. The next attempt makes it again.
 */
function lostParent({ stage, step, errno }: CaissonError): boolean {
  return stage === 'host' && step?.startsWith('cgroup.') === true && GONE.has(errno);
}
