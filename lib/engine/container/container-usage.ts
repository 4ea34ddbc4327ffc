/** What a container uses, and its processes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { wholeNumber } from '../../base/check.js';
import { processesBeside } from '../../cgroup/processes.js';
import { type ContainerStats, readStats } from '../views/stats.js';
import { top, type TopResult } from '../views/top.js';
import type { ContainerContext } from './container-context.js';
import { directoriesOf, inspectContainer } from './inspect-container.js';
import { checkAllowed } from './transitions.js';

/** Milliseconds that setTimeout() can wait. */
const MAX_TIMER = 2 ** 31 - 1;

export async function containerStats(
  context: ContainerContext,
  id: string,
): Promise<ContainerStats | undefined> {
  const { config, state, status } = await inspectContainer(context, id);
  if (!checkAllowed(status, 'stats', id)) return undefined;
  return readStats(await directoriesOf(context, config), state.pid);
}

export async function* watchContainerStats(
  context: ContainerContext,
  id: string,
  interval: number,
): AsyncGenerator<ContainerStats, void, undefined> {
  wholeNumber('interval', interval, 1, MAX_TIMER);
  for (;;) {
    const stats = await containerStats(context, id);
    if (stats === undefined) return;
    yield stats;
    await sleep(interval);
  }
}

export async function containerTop(
  context: ContainerContext,
  id: string,
  psArgs: readonly string[] | undefined,
): Promise<TopResult> {
  const { config, state, status } = await inspectContainer(context, id);
  checkAllowed(status, 'top', id);
  const directories = await directoriesOf(context, config);
  return top(
    directories.length === 0 ? () => processesBeside(state.pid) : directories.map(({ dir }) => dir),
    psArgs,
  );
}
