/** Removing what is published of containers whose own teardown never ran, by their addresses. */
import { CaissonError } from '../../base/errors.js';
import { addressBytes } from '../../base/ip-address.js';
import type { NetlinkMessage } from '../netlink/message.js';
import { type NetlinkOptions, requestNetlink } from '../netlink/request.js';
import { listElements } from './nft-listing.js';
import { batch, deleteElements } from './nft-messages.js';
import { SET, TABLE } from './ruleset.js';

const MAPS = [SET.published4, SET.published6, SET.anywhere4, SET.anywhere6] as const;

/** Another process may remove the same at the same time, and the kernel refuses all then. */
const ATTEMPTS = 5;

/** No error if nothing is published to them, or there is no table. @throws ERR_NETWORK_FAILED */
export async function unpublishAddresses(
  addresses: readonly string[],
  options: NetlinkOptions = {},
): Promise<void> {
  const wanted = addresses.map((address) => Buffer.from(addressBytes(address)));
  for (let attempt = 1; ; attempt++) {
    try {
      const messages = await deletionOf(wanted, options);
      if (messages.length > 0) await requestNetlink(batch(messages), options);
      return;
    } catch (error) {
      if (!(error instanceof CaissonError)) throw error;
      if (error.errno === 'ENOENT' && attempt < ATTEMPTS) continue;
      if (error.errno === 'EPROTONOSUPPORT' || error.errno === 'EOPNOTSUPP') return; // no nf_tables
      throw error;
    }
  }
}

async function deletionOf(
  addresses: readonly Buffer[],
  options: NetlinkOptions,
): Promise<NetlinkMessage[]> {
  const messages: NetlinkMessage[] = [];
  for (const { name, data } of MAPS) {
    const size = data[0] === 'ipv4_addr' ? 4 : 16;
    const wanted = addresses.filter(({ length }) => length === size);
    if (wanted.length === 0) continue;
    const listed = await listElements(options, TABLE, name);
    const elements = listed
      .filter(({ data: to }) => to !== undefined && wanted.some((each) => to.indexOf(each) === 0))
      .map(({ key }) => ({ key, text: key.toString('hex') }));
    messages.push(...deleteElements(TABLE, name, elements));
  }
  return messages;
}
