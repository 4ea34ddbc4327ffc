/** Waiting for the end of a container. */
import { boolean, checkOptions } from '../../base/check.js';
import type { ContainerContext } from './container-context.js';
import { inspectContainer, pause } from './inspect-container.js';
import { anyExit, type ContainerExit, lastExit, SupervisorClient } from './supervisor-client.js';
import { isActiveStatus } from './transitions.js';

/** What is waited for. */
export interface WaitOptions {
  /** False: for the end of its present run, whatever its restart policy does next. Default true. */
  readonly restarts?: boolean;
}

export function waitForExit(
  context: ContainerContext,
  id: string,
  options: WaitOptions,
): Promise<ContainerExit> {
  const { restarts = true } = checkOptions(options);
  boolean('restarts', restarts);
  return exitOf(context, id, undefined, restarts);
}

/** @param signal ends the wait; the result is then the state as it is */
export async function exitOf(
  context: ContainerContext,
  id: string,
  signal?: AbortSignal,
  restarts = true,
): Promise<ContainerExit> {
  const supervisor = new SupervisorClient(context, id);
  const aborted = () => signal?.aborted === true;
  for (;;) {
    const { state, status } = await inspectContainer(context, id);
    if (!isActiveStatus(status) || aborted() || (!restarts && status === 'restarting')) {
      const { exitCode, oomKilled, error } = state;
      return { exitCode, oomKilled, error };
    }
    const exit = await supervisor.talk(undefined, restarts ? lastExit : anyExit, signal);
    if (exit !== undefined) return exit;
    if (!aborted()) await pause();
  }
}
