/** What tells that claims of addresses were deleted while their containers run. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CaissonError } from '../../base/errors.js';
import { NETLINK } from '../netlink/message.js';
import { dumpNetlink, type NetlinkOptions } from '../netlink/request.js';
import { decodeLink, GET_LINKS } from '../netlink/rtnetlink.js';
import { shortIdOf } from './host-interface.js';
import type { StoredNetwork } from './stored-network.js';

/** Milliseconds: the interfaces of a container that has ended leave the bridge soon after it. */
const PATIENCE = 2_000;
const PAUSE = 20;

/**
 * For a network without a directory of claims, which is there from the first start to the removal of the network: an address
 * that is given now may be that of a container that runs.
 *
 * @param claims the directory
 * @throws ERR_NETWORK_FAILED
 */
export async function checkUnused(
  { name, bridge }: StoredNetwork,
  claims: string,
  options: NetlinkOptions,
): Promise<void> {
  for (const end = performance.now() + PATIENCE; ; await sleep(PAUSE)) {
    const containers = await containersAt(bridge, options);
    if (containers.length === 0) return;
    if (performance.now() < end) continue;
    throw new CaissonError(
      'ERR_NETWORK_FAILED',
      `network ${name}: ${claims} was deleted while containers run: their addresses are not known any more`,
      {
        stage: 'config',
        path: claims,
        hint: `end them first: caisson rm -f ${containers.join(' ')}`,
      },
    );
  }
}

/** Short ids of containers with an interface at this bridge. */
async function containersAt(bridge: string, options: NetlinkOptions): Promise<string[]> {
  const links = (await dumpNetlink(NETLINK.route, GET_LINKS, options)).map(decodeLink);
  const index = links.find(({ name }) => name === bridge)?.index;
  if (index === undefined) return [];
  const ports = links.filter((link) => link.bridge === index);
  return ports.flatMap(({ name }) => shortIdOf(name) ?? []);
}
