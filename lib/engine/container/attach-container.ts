/** Attaching a client to a container, or starting one with a client attached. */
import {
  type AttachedStreams,
  attachedStreams,
  type AttachOptions,
} from '../options/attach-options.js';
import { isTerminal } from '../options/terminal.js';
import { AttachController } from '../supervisor/attach-controller.js';
import { type Attached, attachedOf } from '../supervisor/attached.js';
import { SupervisorConnection } from '../supervisor/supervisor-connection.js';
import type { ContainerContext } from './container-context.js';
import { readableConfig } from '../store/store.js';
import { inspectContainer } from './inspect-container.js';
import { killContainer } from './kill-container.js';
import { startContainer } from './start-container.js';
import { SupervisorClient } from './supervisor-client.js';
import { checkAllowed, notRunning } from './transitions.js';
import { exitOf } from './wait-container.js';

const NO_STREAMS: AttachedStreams = { stdin: false, stdout: false, stderr: false, maxLine: 0 };

export function startAttached(
  context: ContainerContext,
  id: string,
  options: AttachOptions,
): Attached {
  return attachBy(context, id, options, (client) => startContainer(context, id, client));
}

export function attachToContainer(
  context: ContainerContext,
  id: string,
  options: AttachOptions,
): Attached {
  return attachBy(context, id, options, (client) => connectToRunning(context, id, client));
}

/** Not asynchronous: an Attached is a promise itself, and a promise cannot be the result of another. */
function attachBy(
  context: ContainerContext,
  id: string,
  options: AttachOptions,
  connect: (client: AttachController) => Promise<void>,
): Attached {
  let streams = NO_STREAMS;
  let refusal: { readonly error: unknown } | undefined;
  try {
    streams = attachedStreams(options);
  } catch (error) {
    refusal = { error };
  }
  // A damaged configuration is reported by `connect`.
  const config = readableConfig(context.store, id);
  const client = new AttachController(
    {
      kill: (signal) => killContainer(context, id, signal),
      exit: async () => {
        const { exitCode, oomKilled } = await exitOf(context, id);
        return { exitCode, oomKilled, detached: false };
      },
    },
    { ...streams, stdin: streams.stdin && config?.openStdin === true },
    config !== undefined && isTerminal(config.options),
  );
  if (refusal === undefined) connect(client).catch(client.fail);
  else client.fail(refusal.error);
  return attachedOf(client);
}

async function connectToRunning(
  context: ContainerContext,
  id: string,
  client: AttachController,
): Promise<void> {
  const attached = await new SupervisorClient(context, id).retry(async () => {
    const { status } = await inspectContainer(context, id);
    checkAllowed(status, 'attach', id);
    return (await connectOnce(context, id, client)) || undefined;
  });
  if (attached === undefined) throw notRunning(id);
}

/** False when there is no supervisor, or it has too many clients. */
async function connectOnce(
  context: ContainerContext,
  id: string,
  client: AttachController,
): Promise<boolean> {
  const { listener } = client;
  let answer!: (accepted: boolean) => void;
  const answered = new Promise<boolean>((resolve) => (answer = resolve));
  const connection = await SupervisorConnection.open(context.store.sockets, id, {
    ...listener,
    attached: (about) => {
      if (connection !== undefined) connection.listener = listener;
      listener.attached?.(about);
      answer(true);
    },
    closed: () => answer(false),
  });
  if (connection === undefined) return false;
  connection.attach(client.bits);
  client.connect(connection);
  return answered;
}
