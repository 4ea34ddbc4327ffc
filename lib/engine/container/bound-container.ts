/** A detached container that ends with this process, however that ends, and is removed then or when its program has ended. */
import type { RootfsImage } from '../../image/rootfs.js';
import { newId } from '../../base/ids.js';
import type { CreateOptions } from '../options/create-options.js';
import type { StartContext } from '../start/context.js';
import type { FirstClient } from '../supervisor/first-client.js';
import type { SupervisorConnection } from '../supervisor/supervisor-connection.js';
import type { ContainerContext } from './container-context.js';
import { createContainer } from './create-container.js';
import { disposeContainer } from './remove-container.js';
import { startContainer } from './start-container.js';

/**
 * Creates and starts it. Its supervisor ends it when the connection of this process ends; a run that follows a `restart` of
 * the caller's has no such connection.
 *
 * @returns the long id
 * @throws as `createContainer` and `startContainer`; then nothing is left of it
 */
export async function startBound(
  context: ContainerContext & StartContext,
  image: string | RootfsImage,
  argv: readonly string[],
  options: CreateOptions,
): Promise<string> {
  // As of a run: until it has started, its directory says whose it is.
  const id = await createContainer(context, context, image, argv, { ...options, autoRemove: true }, newId()); // prettier-ignore
  let connection: SupervisorConnection | undefined;
  const client: FirstClient = {
    bits: 0,
    bound: true,
    listener: {},
    draw: undefined,
    connect: (first) => (connection = first),
  };
  try {
    await startContainer(context, id, client);
    connection?.unref();
  } catch (error) {
    await disposeContainer(context, id);
    throw error;
  }
  return id;
}
