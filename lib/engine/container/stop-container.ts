/** Stopping a container, and restarting it. */
import { checkOptions, wholeNumber } from '../../base/check.js';
import { parseSignal } from '../../base/signals.js';
import { recordEvent } from '../store/container-events.js';
import type { SupervisorConnection } from '../supervisor/supervisor-connection.js';
import type { ContainerContext } from './container-context.js';
import { inspectContainer } from './inspect-container.js';
import { startContainer } from './start-container.js';
import { lastExit, SupervisorClient } from './supervisor-client.js';
import { checkAllowed, isActiveStatus } from './transitions.js';

/** How a container is stopped. */
export interface StopOptions {
  /** In place of the container's stop signal. */
  readonly signal?: string | number | undefined;
  /** Seconds until it is killed; -1: never. Default: the container's. */
  readonly timeout?: number | undefined;
}

const MAX_TIMEOUT = 2_000_000;

export async function stopContainer(
  context: ContainerContext,
  id: string,
  options: StopOptions,
): Promise<void> {
  const { number, limit } = checkStop(options);
  const { store } = context;
  const supervisor = new SupervisorClient(context, id);
  const { config, state, status } = await inspectContainer(context, id);
  const signal = number ?? config.stopSignal;
  const seconds = limit ?? config.stopTimeout;
  const request = (connection: SupervisorConnection) =>
    connection.stop(signal, seconds < 0 ? -1 : seconds * 1000);
  if (!checkAllowed(status, 'stop', id)) {
    // Its supervisor may be starting it, which its state does not say yet.
    await supervisor.talk(request, lastExit);
    return;
  }
  recordEvent(store, config, 'kill', { signal: String(signal) });
  await supervisor.ask(request, lastExit);
  await supervisor.untilLeft(state);
  recordEvent(store, config, 'stop');
}

export async function restartContainer(
  context: ContainerContext,
  id: string,
  options: StopOptions,
): Promise<void> {
  checkStop(options);
  const supervisor = new SupervisorClient(context, id);
  const { config: before, status } = await inspectContainer(context, id);
  const keep = (on: boolean) => supervisor.command((connection) => connection.keep(on));
  const stays = before.autoRemove && isActiveStatus(status);
  if (stays) await keep(true);
  try {
    await stopContainer(context, id, options);
  } catch (error) {
    if (stays) await keep(false).catch(() => undefined);
    throw error;
  }
  await startContainer(context, id);
  const config = context.store.config(id);
  if (config !== undefined) recordEvent(context.store, config, 'restart');
}

/** Called before any event is recorded or a signal is sent. */
function checkStop(options: StopOptions): { number?: number; limit?: number } {
  const { signal, timeout } = checkOptions(options);
  return {
    ...(signal === undefined ? {} : { number: parseSignal('signal', signal) }),
    ...(timeout === undefined ? {} : { limit: wholeNumber('timeout', timeout, -1, MAX_TIMEOUT) }),
  };
}
