/** The interfaces of a container that are there. */
import { NETLINK } from '../netlink/message.js';
import { dumpNetlink, type NetlinkOptions } from '../netlink/request.js';
import { decodeLink, GET_LINKS } from '../netlink/rtnetlink.js';
import { shortIdOf } from './host-interface.js';

/** An interface of a container on a bridge, by its end on the host. */
export interface Plug {
  /** The number in the names of both ends. */
  readonly at: number;
  readonly name: string;
  /** Index of the bridge. */
  readonly bridge: number | undefined;
  /** 12 digits, of the container. */
  readonly shortId: string;
}

/** @param shortId 12 digits, of the container */
export async function plugsOf(shortId: string, options: NetlinkOptions = {}): Promise<Plug[]> {
  return (await allPlugs(options)).filter((plug) => plug.shortId === shortId);
}

/** Of all containers. */
export async function allPlugs(options: NetlinkOptions = {}): Promise<Plug[]> {
  const links = (await dumpNetlink(NETLINK.route, GET_LINKS, options)).map(decodeLink);
  return links.flatMap(({ name, bridge }) => {
    const shortId = shortIdOf(name);
    return shortId === undefined
      ? []
      : [{ at: parseInt(name.slice(-1), 36), name, bridge, shortId }];
  });
}
