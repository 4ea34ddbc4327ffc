/** Sending a signal to a container. */
import { constants } from 'node:os';
import { parseSignal } from '../../base/signals.js';
import { recordEvent } from '../store/container-events.js';
import type { ContainerContext } from './container-context.js';
import { inspectContainer } from './inspect-container.js';
import { kill, SupervisorClient } from './supervisor-client.js';
import { notRunning, refusalOf } from './transitions.js';

export async function killContainer(
  context: ContainerContext,
  id: string,
  signal: string | number,
): Promise<void> {
  const number = parseSignal('signal', signal);
  const ends = number === constants.signals.SIGKILL;
  const supervisor = new SupervisorClient(context, id);
  const { config, state, status } = await inspectContainer(context, id);
  const refusal = refusalOf(status, 'kill', id);
  if (refusal !== undefined) {
    if (ends && (await supervisor.killStart())) return;
    throw refusal;
  }
  // Before the signal is sent: the supervisor records what follows from it, and those events come after this one.
  recordEvent(context.store, config, 'kill', { signal: String(number) });
  const errno =
    ends && supervisor.killWithoutSocket(state) ? 0 : await supervisor.command(kill(number));
  if (errno === undefined || errno === constants.errno.ESRCH) throw notRunning(id);
  if (ends) await supervisor.untilLeft(state);
}
