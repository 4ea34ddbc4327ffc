/** The interfaces of a container that runs: one more, or one less. */
import { type FileHandle, open } from 'node:fs/promises';
import { CaissonError } from '../../base/errors.js';
import { bootId, isAlive } from '../../host/owner.js';
import { ensureFrameFilter } from '../firewall/ensure-frame-filter.js';
import { addFramePort, removeFramePort } from '../firewall/frame-elements.js';
import { batch } from '../firewall/nft-messages.js';
import { encodeRequest, NETLINK } from '../netlink/message.js';
import { requestNetlink } from '../netlink/request.js';
import { deleteLink } from '../netlink/rtnetlink.js';
import { defaultRoutes, type Endpoint, framePort, planInterface } from './endpoint.js';
import { plugsOf } from './plugs.js';

/**
 * The network namespace of a container; the caller has to close it.
 *
 * @param startTime field 22 of /proc/<pid>/stat
 * @throws ERR_CONTAINER_NOT_RUNNING
 */
export async function openNetwork(pid: number, startTime: string): Promise<FileHandle> {
  const file = await open(`/proc/${pid}/ns/net`).catch(() => undefined);
  // The pid may be another process's by now, and may have been when the file was opened.
  if (file !== undefined && isAlive(`${pid} ${startTime} ${bootId()}`)) return file;
  await file?.close();
  throw new CaissonError('ERR_CONTAINER_NOT_RUNNING', 'the container has just ended', { stage: 'config' }); // prettier-ignore
}

/**
 * Makes its interface in a network. One that is there was left by a process that was killed, and is made again.
 *
 * @throws ERR_NETWORK_FAILED; then there is none
 */
export async function plugIn(
  shortId: string,
  namespace: FileHandle,
  endpoint: Endpoint,
): Promise<void> {
  await unplug(shortId, endpoint);
  const { outside, inside, sysctls } = planInterface(shortId, endpoint);
  try {
    // First, as with a start: no frame passes before.
    if (await ensureFrameFilter())
      await requestNetlink(batch(addFramePort(framePort(endpoint, shortId))));
    await requestNetlink(encodeRequest(NETLINK.route, outside), { elsewhere: namespace });
    await requestNetlink(encodeRequest(NETLINK.route, inside), { namespace, sysctls });
  } catch (error) {
    await unplug(shortId, endpoint).catch(() => undefined);
    throw error;
  }
}

/** Removes its interface in a network, with its addresses and routes. */
export async function unplug(shortId: string, endpoint: Endpoint): Promise<void> {
  for (const plug of await plugsOf(shortId))
    if (plug.bridge === endpoint.bridgeIndex || plug.at === endpoint.at) await remove(plug.name);
  if (await ensureFrameFilter())
    await requestNetlink(batch(removeFramePort(framePort(endpoint, shortId))));
}

/** Its default routes are those of the networks that it has now. */
export async function setDefaultRoutes(
  namespace: FileHandle,
  endpoints: readonly Endpoint[],
): Promise<void> {
  const routes = defaultRoutes(endpoints, true);
  if (routes.length > 0) await requestNetlink(encodeRequest(NETLINK.route, routes), { namespace });
}

async function remove(name: string): Promise<void> {
  try {
    await requestNetlink(encodeRequest(NETLINK.route, [deleteLink(name)]));
  } catch (error) {
    if (!(error instanceof CaissonError) || error.errno !== 'ENODEV') throw error;
  }
}
