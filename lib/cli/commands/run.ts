/** `caisson run`. */
import { finished } from 'node:stream';
import { isatty } from 'node:tty';
import type { Engine } from '../../engine/engine.js';
import type { Execution, RunResult } from '../../engine/execution.js';
import type { RunOptions, Stdio } from '../../engine/options.js';
import { CaissonError } from '../../errors.js';
import { rootfs, type RootfsImage } from '../../image/rootfs.js';
import { CidFile } from '../cidfile.js';
import { print } from '../report.js';
import { parseRun, type RunInvocation, type StreamName } from '../run-flags.js';
import { ignoreSignals, proxySignals } from '../signal-proxy.js';
import { UsageError } from '../usage-error.js';

/** Where the engine keeps what it keeps. */
export interface EngineLocation {
  readonly dataRoot?: string;
  readonly runRoot?: string;
}

export async function run(args: readonly string[], location: EngineLocation): Promise<number> {
  const invocation = parseRun('run', args, { env: process.env, cwd: process.cwd() });
  if (invocation === undefined) {
    const { helpText } = await import('../help.js');
    print(1, helpText('run'));
    return 0;
  }
  refuseKept(invocation);
  if (invocation.tty && invocation.attach.has('stdin') && !isatty(0)) {
    throw new CaissonError('ERR_INVALID_OPTION', 'the input device is not a TTY', {
      stage: 'config',
      hint: 'leave out -t, or run this in a terminal',
    });
  }
  const cidfile = invocation.cidfile === undefined ? undefined : new CidFile(invocation.cidfile);
  let started = false;
  try {
    const engine = await openEngine(location);
    try {
      const result = await attend(engine, invocation, (execution) => {
        cidfile?.write(execution.id);
        execution.started.then(
          () => (started = true),
          () => undefined,
        );
      });
      if (invocation.trace) await trace(result);
      return result.exitCode;
    } finally {
      await engine.close();
    }
  } finally {
    if (!started) cidfile?.remove();
  }
}

/** What only a container that is kept can have: `run` makes none yet. */
function refuseKept({ detach, restart }: RunInvocation): void {
  const flag = detach ? '-d, --detach' : restart.name === 'no' ? undefined : '--restart';
  if (flag !== undefined)
    throw new UsageError('ERR_UNSUPPORTED_OPTION', `the flag ${flag} is not supported yet`, 'run');
}

/** Loaded only now: help and mistakes in the flags need no addon. */
export async function openEngine(location: EngineLocation): Promise<Engine> {
  const { Engine } = await import('../../engine/engine.js');
  return Engine.open(location);
}

/** A name, or a directory in its place. */
export function imageOf({ image, rootfs: root }: RunInvocation): string | RootfsImage {
  return root === undefined ? image : rootfs(image, root);
}

type OnRun = (execution: Execution) => void;

async function attend(engine: Engine, invocation: RunInvocation, onRun: OnRun): Promise<RunResult> {
  return invocation.tty
    ? withTerminal(engine, invocation, onRun)
    : withStreams(engine, invocation, onRun);
}

/** The container has a terminal of its own; its keys and its picture pass through here. */
async function withTerminal(
  engine: Engine,
  invocation: RunInvocation,
  onRun: OnRun,
): Promise<RunResult> {
  const { callerSize, CallerTerminal } = await import('../terminal.js');
  const { attach, argv, options } = invocation;
  const execution = engine.run(imageOf(invocation), argv, {
    ...options,
    tty: callerSize() ?? true,
    stdin: attach.has('stdin') ? 'pipe' : 'null',
    stdout: 'pipe',
    maxOutput: 0,
  });
  const terminal = new CallerTerminal(execution, attach.has('stdin'), attach.has('stdout'));
  try {
    onRun(execution);
    const result = await execution;
    await terminal.drained();
    return result;
  } finally {
    terminal.close();
  }
}

/**
 * Every stream passes through here: a container that had this command's own descriptors could not open
 * /dev/stdout again, because the pipe or terminal behind it belongs to somebody who is nobody inside, and
 * would hold the caller's terminal (CVE-2017-5226).
 */
function streamFor(name: StreamName, invocation: RunInvocation): Stdio {
  return invocation.attach.has(name) ? 'pipe' : 'null';
}

async function withStreams(
  engine: Engine,
  invocation: RunInvocation,
  onRun: OnRun,
): Promise<RunResult> {
  const stdio: RunOptions = {
    stdin: streamFor('stdin', invocation),
    stdout: streamFor('stdout', invocation),
    stderr: streamFor('stderr', invocation),
    maxOutput: 0,
  };
  const execution = engine.run(imageOf(invocation), invocation.argv, {
    ...invocation.options,
    ...stdio,
  });
  const release = invocation.sigProxy ? proxySignals(execution) : ignoreSignals();
  try {
    const copied = copyStreams(execution, stdio);
    onRun(execution);
    const result = await execution;
    await copied();
    return result;
  } finally {
    release();
  }
}

/** Copies the streams. The returned function resolves when all output has been written. */
function copyStreams(execution: Execution, stdio: RunOptions): () => Promise<unknown> {
  const ends: Promise<void>[] = [];
  for (const name of ['stdout', 'stderr'] as const) {
    const source = execution[name];
    if (stdio[name] !== 'pipe' || source === undefined) continue;
    source.pipe(process[name], { end: false });
    process[name].on('error', () => source.resume());
    ends.push(new Promise((resolve) => finished(source, { writable: false }, () => resolve())));
  }
  const { stdin } = execution;
  if (stdio.stdin === 'pipe' && stdin !== undefined) {
    stdin.on('error', () => undefined);
    process.stdin.pipe(stdin);
  }
  return () => {
    if (stdio.stdin === 'pipe') process.stdin.unpipe().pause().unref();
    return Promise.all(ends);
  };
}

async function trace(result: RunResult): Promise<void> {
  const { drawTimeline } = await import('../../program/timeline.js');
  print(2, drawTimeline(result.timeline));
}
