/** The bridge device of a network, in the network namespace of the engine. */
import { CaissonError } from '../../base/errors.js';
import { encodeRequest, NETLINK } from '../netlink/message.js';
import { dumpNetlink, requestNetlink } from '../netlink/request.js';
import { decodeLink, deleteLink, GET_LINKS, type Link } from '../netlink/rtnetlink.js';
import type { StoredNetwork } from './stored-network.js';

/** The device of that name, of any kind. @throws ERR_NETWORK_FAILED */
export async function findDevice(name: string): Promise<Link | undefined> {
  const links = await dumpNetlink(NETLINK.route, GET_LINKS);
  return links.map(decodeLink).find((link) => link.name === name);
}

/**
 * Deletes the bridge device of a network, if there is one. No container is attached to it, and none can be: the caller
 * holds the lock of all networks.
 *
 * @throws ERR_NETWORK_FAILED
 */
export async function removeBridge({ bridge }: StoredNetwork): Promise<void> {
  // What has the name now and is no bridge was not made for the network.
  if ((await findDevice(bridge))?.kind !== 'bridge') return;
  try {
    await requestNetlink(encodeRequest(NETLINK.route, [deleteLink(bridge)]));
  } catch (error) {
    if (!(error instanceof CaissonError && error.errno === 'ENODEV')) throw error;
  }
}
