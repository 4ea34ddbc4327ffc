/** The interfaces of a container that runs: one more, or one less. */
import { type FileHandle, open } from 'node:fs/promises';
import { CaissonError } from '../../base/errors.js';
import { bootId, isAlive } from '../../host/owner.js';
import { ensureFrameFilter } from '../firewall/ensure-frame-filter.js';
import { addFramePort, liftFramePort, removeFramePort } from '../firewall/frame-elements.js';
import { batch } from '../firewall/nft-messages.js';
import { encodeRequest, NETLINK } from '../netlink/message.js';
import { type NetlinkOptions, type ProcessName, requestNetlink } from '../netlink/request.js';
import { deleteLink } from '../netlink/rtnetlink.js';
import type { NetworkPolicy } from '../policy/rules.js';
import { defaultRoutes, type Endpoint, framePort, planInterface } from './endpoint.js';
import { plugsOf } from './plugs.js';

/** The network namespace of a container, and where its bridges are. */
export interface ContainerNetwork {
  readonly bridges: NetlinkOptions;
  /** For requests about what is in it. */
  readonly inside: NetlinkOptions;
  /** For interfaces that are made in it by a request that is sent to `bridges`. */
  readonly elsewhere: FileHandle | ProcessName;
  close(): Promise<void>;
}

/**
 * That of a container that runs; the caller has to close it.
 *
 * @param bridges of its networks
 * @throws ERR_CONTAINER_NOT_RUNNING
 */
export async function openNetwork(
  { pid, startTime }: ProcessName,
  bridges: NetlinkOptions,
): Promise<ContainerNetwork> {
  const file = await openNamespace(pid, startTime);
  const close = () => file.close();
  if (bridges.userNetwork === undefined)
    return { bridges, inside: { namespace: file }, elsewhere: file, close };
  // By an agent, which opens it itself.
  const process = { pid, startTime };
  return { bridges, inside: { ...bridges, process }, elsewhere: process, close };
}

async function openNamespace(pid: number, startTime: string): Promise<FileHandle> {
  const file = await open(`/proc/${pid}/ns/net`).catch(() => undefined);
  // The pid may be another process's by now, and may have been when the file was opened.
  if (file !== undefined && isAlive(`${pid} ${startTime} ${bootId()}`)) return file;
  await file?.close();
  throw new CaissonError('ERR_CONTAINER_NOT_RUNNING', 'the container has just ended', { stage: 'config' }); // prettier-ignore
}

/**
 * Makes its interface in a network. One that is there was left by a process that was killed, and is made again.
 *
 * @param policy of the container; what it says of the interface's addresses is in effect already
 * @throws ERR_NETWORK_FAILED; then there is none
 */
export async function plugIn(
  shortId: string,
  { bridges, inside: within, elsewhere }: ContainerNetwork,
  endpoint: Endpoint,
  policy: NetworkPolicy | undefined,
): Promise<void> {
  await unplug(shortId, endpoint, bridges);
  const { outside, inside, sysctls } = planInterface(shortId, endpoint);
  try {
    // First, as with a start: no frame passes before.
    if (await ensureFrameFilter(bridges)) {
      const port = framePort(endpoint, shortId);
      const lifted = policy === undefined ? [] : liftFramePort(port);
      await requestNetlink(batch([...addFramePort(port), ...lifted]), bridges);
    }
    await requestNetlink(encodeRequest(NETLINK.route, outside), { ...bridges, elsewhere });
    await requestNetlink(encodeRequest(NETLINK.route, inside), { ...within, sysctls });
  } catch (error) {
    await unplug(shortId, endpoint, bridges).catch(() => undefined);
    throw error;
  }
}

/** Removes its interface in a network, with its addresses and routes. */
export async function unplug(
  shortId: string,
  endpoint: Endpoint,
  bridges: NetlinkOptions,
): Promise<void> {
  for (const plug of await plugsOf(shortId, bridges))
    if (plug.bridge === endpoint.bridgeIndex || plug.at === endpoint.at)
      await remove(plug.name, bridges);
  if (await ensureFrameFilter(bridges))
    await requestNetlink(batch(removeFramePort(framePort(endpoint, shortId))), bridges);
}

/** Its default routes are those of the networks that it has now. */
export async function setDefaultRoutes(
  { inside }: ContainerNetwork,
  endpoints: readonly Endpoint[],
): Promise<void> {
  const routes = defaultRoutes(endpoints, true);
  if (routes.length > 0) await requestNetlink(encodeRequest(NETLINK.route, routes), inside);
}

async function remove(name: string, options: NetlinkOptions): Promise<void> {
  try {
    await requestNetlink(encodeRequest(NETLINK.route, [deleteLink(name)]), options);
  } catch (error) {
    if (!(error instanceof CaissonError) || error.errno !== 'ENODEV') throw error;
  }
}
