/** `caisson run` and `caisson create`. */
import { mkdirSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { Container } from '../../engine/container/container.js';
import type { Engine } from '../../engine/engine.js';
import type { CreateOptions } from '../../engine/options/create-options.js';
import type { PullPolicy, RunOptions } from '../../engine/options/options.js';
import { CaissonError } from '../../base/errors.js';
import { rootfs, type RootfsImage } from '../../image/rootfs.js';
import { CidFile } from './cid-file.js';
import { serveClient } from '../terminal/client.js';
import { at, type CommandContext, type EngineLocation } from '../command-context.js';
import { HelpRequest } from '../args/help-request.js';
import { print, reportError } from '../report.js';
import { parseRun, type RunInvocation, processContext } from '../args/run-invocation.js';
import { UsageError } from '../args/usage-error.js';
import { withDefaultNetwork } from './with-default-network.js';

export async function run(args: readonly string[], location: EngineLocation): Promise<number> {
  const invocation = parseRun('run', args, processContext());
  if (invocation.tty && invocation.attach.has('stdin') && !isatty(0)) {
    // As Docker: 1, unlike other failures before the container exists.
    print(
      2,
      'caisson: the input device is not a TTY\nhint: leave out -t, or run this in a terminal\n',
    );
    return 1;
  }
  return at(location, async (context) => {
    const { container, cidfile } = await make(context, invocation);
    try {
      if (!invocation.detach) return await attend(container, invocation);
      try {
        await container.start();
      } finally {
        // As Docker, also if the start has failed: without --rm the container exists.
        print(1, `${container.id}\n`);
      }
    } catch (error) {
      // With --rm the container does not exist any more.
      if (invocation.autoRemove) cidfile?.remove();
      throw error;
    }
    return 0;
  });
}

export async function create(args: readonly string[], location: EngineLocation): Promise<number> {
  let invocation: RunInvocation;
  try {
    invocation = parseRun('create', args, processContext());
  } catch (error) {
    if (error instanceof HelpRequest || error instanceof UsageError) throw error;
    const status = await reportError(error);
    return error instanceof CaissonError && LEFT_TO_THE_ENGINE.has(error.path ?? '') ? 1 : status;
  }
  try {
    return await at(location, async (context) => {
      print(1, `${(await make(context, invocation)).container.id}\n`);
      return 0;
    });
  } catch (error) {
    // As Docker: 125 is for errors in flags only.
    await reportError(error);
    return 1;
  }
}

/** Flags whose values Docker's client does not check: with `create` a wrong value is an error of the engine. */
const LEFT_TO_THE_ENGINE: ReadonlySet<string> = new Set([
  'platform',
  'restart',
  'stopSignal',
  'stop-timeout',
  'log-driver',
  'log-opt',
]);

async function make(
  context: CommandContext,
  invocation: RunInvocation,
): Promise<{ container: Container; cidfile: CidFile | undefined }> {
  const cidfile = invocation.cidfile === undefined ? undefined : new CidFile(invocation.cidfile);
  try {
    const engine = await context.engine();
    makeSources(invocation.options.volumes);
    const image = imageOf(invocation);
    const container = await engine.create(image, invocation.argv, {
      ...createOptions(invocation, await withDefaultNetwork(engine, invocation.options)),
      pull: await pull(engine, image, invocation),
    });
    try {
      cidfile?.write(container.id);
    } catch (error) {
      await container.remove().catch(() => undefined);
      throw error;
    }
    return { container, cidfile };
  } catch (error) {
    cidfile?.remove();
    throw error;
  }
}

async function pull(
  engine: Engine,
  image: string | RootfsImage,
  { pull: policy, quiet, options }: RunInvocation,
): Promise<PullPolicy> {
  if (typeof image !== 'string' || image === 'host' || quiet) return policy;
  const { pullFirst } = await import('./pull-first.js');
  return pullFirst(engine, image, policy, options.platform);
}

/** As Docker, and unlike the library: a missing source of -v is created as a directory. */
function makeSources(volumes: readonly string[] = []): void {
  for (const volume of volumes) {
    const [source = '', ...rest] = volume.split(':');
    if (rest.length === 0 || !source.startsWith('/') || rest[0] === '') continue;
    // Nothing is created below directories in which others can make links.
    if (rest[1]?.includes('beneath=') === true) continue;
    try {
      mkdirSync(source, { recursive: true });
    } catch {
      // It may also be a file; a source that cannot be used is an error of sources.ts.
    }
  }
}

/** The options of `Engine.create`. */
function createOptions(invocation: RunInvocation, options: RunOptions): CreateOptions {
  const { tty, interactive, log, attach } = invocation;
  return {
    ...options,
    ...(tty ? { tty: size() ?? true } : {}),
    restart: invocation.restart,
    autoRemove: invocation.autoRemove,
    stopTimeout: invocation.stopTimeout,
    logDriver: log.driver,
    logOptions:
      log.driver === 'none' ? undefined : { 'max-size': log.maxSize, 'max-file': log.maxFile },
    openStdin: interactive,
    stdinOnce: interactive && attach.has('stdin'),
    healthcheck: invocation.healthcheck,
  };
}

function size(): { cols: number; rows: number } | undefined {
  const { stdout } = process;
  return stdout.isTTY && stdout.columns > 0 && stdout.rows > 0
    ? { cols: stdout.columns, rows: stdout.rows }
    : undefined;
}

async function attend(container: Container, invocation: RunInvocation): Promise<number> {
  const { attach, tty } = invocation;
  const attached = container.startAttached({
    stdin: attach.has('stdin'),
    stdout: attach.has('stdout'),
    stderr: attach.has('stderr'),
  });
  const result = await serveClient(attached, {
    tty,
    stdin: attach.has('stdin'),
    sigProxy: invocation.sigProxy,
    detachKeys: invocation.detachKeys,
    endsContainer: invocation.autoRemove,
  });
  if (invocation.trace && attached.timeline !== undefined) {
    const { drawTimeline } = await import('../../program/timeline.js');
    print(2, drawTimeline(attached.timeline));
  }
  return result.detached ? 0 : result.exitCode;
}

/** A name, or a directory in its place. */
export function imageOf({ image, rootfs: root }: RunInvocation): string | RootfsImage {
  return root === undefined ? image : rootfs(image, root);
}
