/** Removing the ports of containers whose own teardown never ran from the firewall's sets. */
import { CaissonError } from '../../base/errors.js';
import { addressBytes } from '../../base/ip-address.js';
import type { NetlinkMessage } from '../netlink/message.js';
import { type NetlinkOptions, requestNetlink } from '../netlink/request.js';
import { FRAME_SET, FRAME_TABLE } from './frame-ruleset.js';
import { listElements } from './nft-listing.js';
import { batch, deleteElements } from './nft-messages.js';
import { SET, TABLE } from './ruleset.js';

/** Another process may remove the same at the same time, and the kernel refuses all then. */
const ATTEMPTS = 5;
/** No table, or no nf_tables. */
const NONE: ReadonlySet<string | undefined> = new Set(['EPROTONOSUPPORT', 'EOPNOTSUPP']);

const SETS = [
  [TABLE, SET.ports],
  ...Object.values(FRAME_SET).map((set) => [FRAME_TABLE, set] as const),
] as const;

/**
 * No error if there are none.
 *
 * @param isPort whether it is a port of one of the containers
 * @param addresses of the containers
 * @throws ERR_NETWORK_FAILED
 */
export async function removeFramePorts(
  isPort: (name: string) => boolean,
  addresses: readonly string[],
  options: NetlinkOptions = {},
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const messages = await deletionOf(isPort, addresses, options);
      if (messages.length > 0) await requestNetlink(batch(messages), options);
      return;
    } catch (error) {
      if (!(error instanceof CaissonError)) throw error;
      if (NONE.has(error.errno)) return;
      if (error.errno !== 'ENOENT' || attempt === ATTEMPTS) throw error;
    }
  }
}

async function deletionOf(
  isPort: (name: string) => boolean,
  addresses: readonly string[],
  options: NetlinkOptions,
): Promise<NetlinkMessage[]> {
  const restricted = new Set(addresses.map((address) => hex(addressBytes(address))));
  const messages: NetlinkMessage[] = [];
  for (const [table, { name, key: types }] of SETS) {
    const isOurs = (key: Buffer) =>
      types[0] === 'ifname'
        ? isPort(key.toString('latin1', 0, IFNAMSIZ).replace(/\0.*$/s, ''))
        : restricted.has(hex(key));
    const elements = (await listElements(options, table, name))
      .filter(({ key }) => isOurs(key))
      .map(({ key }) => ({ key, text: hex(key) }));
    messages.push(...deleteElements(table, name, elements));
  }
  return messages;
}

const IFNAMSIZ = 16;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
