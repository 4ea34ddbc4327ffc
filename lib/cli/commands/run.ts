/** `caisson run` and `caisson create`. */
import { isatty } from 'node:tty';
import type { Container } from '../../engine/container.js';
import type { CreateOptions } from '../../engine/create-options.js';
import { CaissonError } from '../../errors.js';
import { rootfs, type RootfsImage } from '../../image/rootfs.js';
import { CidFile } from '../cidfile.js';
import { serveClient } from '../client.js';
import { at, type CommandHome, type EngineLocation } from '../home.js';
import { print } from '../report.js';
import { parseRun, type RunInvocation } from '../run-flags.js';

export async function run(args: readonly string[], location: EngineLocation): Promise<number> {
  const invocation = parseRun('run', args, { env: process.env, cwd: process.cwd() });
  if (invocation === undefined) return help('run');
  if (invocation.tty && invocation.attach.has('stdin') && !isatty(0)) {
    throw new CaissonError('ERR_INVALID_OPTION', 'the input device is not a TTY', {
      stage: 'config',
      hint: 'leave out -t, or run this in a terminal',
    });
  }
  return at(location, async (home) => {
    const { container, cidfile } = await make(home, invocation);
    try {
      if (!invocation.detach) return await attend(container, invocation);
      await container.start();
    } catch (error) {
      // With --rm there is no container that it could name.
      if (invocation.autoRemove) cidfile?.remove();
      throw error;
    }
    print(1, `${container.id}\n`);
    return 0;
  });
}

export async function create(args: readonly string[], location: EngineLocation): Promise<number> {
  const invocation = parseRun('create', args, { env: process.env, cwd: process.cwd() });
  if (invocation === undefined) return help('create');
  try {
    return await at(location, async (home) => {
      print(1, `${(await make(home, invocation)).container.id}\n`);
      return 0;
    });
  } catch (error) {
    // As Docker: 125 is for flags, which have been understood.
    const { reportError } = await import('../report.js');
    await reportError(error);
    return 1;
  }
}

async function make(
  home: CommandHome,
  invocation: RunInvocation,
): Promise<{ container: Container; cidfile: CidFile | undefined }> {
  const cidfile = invocation.cidfile === undefined ? undefined : new CidFile(invocation.cidfile);
  try {
    const engine = await home.engine();
    const container = await engine.create(
      imageOf(invocation),
      invocation.argv,
      createOptions(invocation),
    );
    cidfile?.write(container.id);
    return { container, cidfile };
  } catch (error) {
    cidfile?.remove();
    throw error;
  }
}

/** How the container is made and kept. */
function createOptions(invocation: RunInvocation): CreateOptions {
  const { options, tty, interactive, log, attach } = invocation;
  return {
    ...options,
    ...(tty ? { tty: size() ?? true } : {}),
    ...(invocation.stopSignal === undefined ? {} : { stopSignal: invocation.stopSignal }),
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

async function help(name: string): Promise<number> {
  const { helpText } = await import('../help.js');
  print(1, helpText(name));
  return 0;
}
