/** RUN: a program in a container of the files so far. */
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { CaissonError } from '../../base/errors.js';
import { newId } from '../../base/ids.js';
import { isPredefined, type RunStep, SCRIPT } from '../../build/stage-state.js';
import { disposeContainer } from '../container/remove-container.js';
import { exitOf } from '../container/wait-container.js';
import { killContainer } from '../container/kill-container.js';
import { startContainer } from '../container/start-container.js';
import type { CreateOptions } from '../options/create-options.js';
import type { MountOption } from '../options/mount-types.js';
import { AttachController, type AttachResult } from '../supervisor/attach-controller.js';
import { cacheKey } from '../../build/build-cache.js';
import type { BuildSession, StageFiles } from './build-session.js';
import { planMounts, type PlannedMounts } from './mount-sources.js';
import { type BuildContainer, withChanges, withContainer } from './stage-files.js';

/** @param sources the files of each `from` of its mounts @throws ERR_INVALID_DOCKERFILE */
export async function planRun(
  session: BuildSession,
  files: StageFiles,
  step: RunStep,
  sources: ReadonlyMap<string, StageFiles>,
  number: number,
): Promise<{ readonly key: string; readonly run: () => Promise<StageFiles> }> {
  const { argv, user, workdir, script, network, line } = step;
  const planned = await planMounts(session, step.mounts, sources, line);
  // Values of proxy arguments are no part of it.
  const env = step.env.filter((entry) => {
    const [name = ''] = entry.split('=', 1);
    return !(isPredefined(name) && entry === `${name}=${session.options.buildArgs.get(name)}`);
  });
  const about = { argv, env, user, workdir, script, network, mounts: planned.key };
  return {
    key: cacheKey('run', files.manifest, about),
    run: () => planned.use((mounts) => runProgram(session, files, step, planned, mounts, number)),
  };
}

async function runProgram(
  session: BuildSession,
  files: StageFiles,
  step: RunStep,
  { targets, env }: PlannedMounts,
  mounts: readonly MountOption[],
  number: number,
): Promise<StageFiles> {
  const script = step.script === undefined ? [] : [await scriptMount(session, step.script)];
  const { containers } = session.options;
  const options: CreateOptions = {
    ...containers,
    env: [...step.env, ...env],
    user: step.user,
    workdir: step.workdir,
    network: step.network === 'default' ? containers.network : step.network,
    mounts: [...mounts, ...script],
  };
  const work = async (container: BuildContainer) => {
    await waitForProgram(session, container.id, step, number);
    return withChanges(session, files, container, targets);
  };
  return withContainer(session, files, work, step.argv, options);
}

async function scriptMount(
  { directory }: BuildSession,
  script: string,
): Promise<MountOption & { readonly type: 'bind' }> {
  const source = join(directory, newId().slice(0, 12));
  await writeFile(source, script, { mode: 0o755 });
  return { type: 'bind', source, target: SCRIPT, readOnly: true };
}

/** @throws ERR_BUILD_FAILED for another exit code than 0; the signal's reason */
async function waitForProgram(
  { context, options: { signal, tell } }: BuildSession,
  id: string,
  { line, argv }: RunStep,
  number: number,
): Promise<void> {
  const client = new BoundClient(
    {
      kill: (name) => killContainer(context, id, name),
      exit: async () => ({ ...(await exitOf(context, id)), detached: false }),
    },
    { stdin: false, stdout: true, stderr: true, maxLine: 0 },
    false,
  );
  for (const [stream, output] of [[1, client.stdout], [2, client.stderr]] as const) // prettier-ignore
    output?.stream.on('data', (bytes: Buffer) => tell({ kind: 'output', number, stream, bytes }));
  // Also one that is just being started.
  const abort = () => void disposeContainer(context, id).catch(() => undefined);
  signal?.addEventListener('abort', abort, { once: true });
  let result: AttachResult;
  try {
    await startContainer(context, id, client).catch(client.fail);
    result = await client.result;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
  signal?.throwIfAborted();
  const { exitCode, oomKilled } = result;
  if (exitCode === 0) return;
  const what = `process "${argv.join(' ')}" did not complete successfully: exit code: ${exitCode}`;
  throw new CaissonError('ERR_BUILD_FAILED', `Dockerfile:${line}: ${what}`, {
    stage: 'build',
    path: `Dockerfile:${line}`,
    hint: oomKilled ? 'it had no memory left' : undefined,
  });
}

/** The container ends with this process. */
class BoundClient extends AttachController {
  readonly bound = true;
}
