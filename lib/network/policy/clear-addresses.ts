/** Removing what the firewall has of containers whose own teardown never ran, by their addresses: ports and policies. */
import { CaissonError } from '../../base/errors.js';
import { addressBytes, addressText } from '../../base/ip-address.js';
import { listElements } from '../firewall/nft-listing.js';
import { SET, TABLE } from '../firewall/ruleset.js';
import { unpublishAddresses } from '../firewall/unpublish-addresses.js';
import { type NetlinkOptions, requestNetlink } from '../netlink/request.js';
import { type Restricted, removePolicyRequest, shortIdOf } from './policy-requests.js';

/** Bytes of an interface's name, which is the first part of a key. */
const IFNAMSIZ = 16;

/** No error if the firewall has nothing of them, or there is none. @throws ERR_NETWORK_FAILED */
export async function clearAddresses(
  addresses: readonly string[],
  options: NetlinkOptions = {},
): Promise<void> {
  await unpublishAddresses(addresses, options);
  for (const container of await restrictedAt(addresses, options)) {
    try {
      await requestNetlink(removePolicyRequest(container), options);
    } catch (error) {
      // Another process has removed it meanwhile.
      if (!(error instanceof CaissonError) || error.errno === undefined || !GONE.has(error.errno))
        throw error;
    }
  }
}

const GONE: ReadonlySet<string> = new Set(['ENOENT', 'EBUSY', 'EEXIST']);

/** All sources of containers that have a policy and one of these addresses. */
async function restrictedAt(
  addresses: readonly string[],
  options: NetlinkOptions,
): Promise<Restricted[]> {
  const wanted = new Set(addresses.map((address) => addressText(addressBytes(address))));
  const sources = new Map<string, { bridge: string; address: string }[]>();
  for (const { name } of [SET.restricted4, SET.restricted6])
    for (const { key, chain } of await elementsOf(name, options)) {
      const shortId = chain === undefined ? undefined : shortIdOf(chain);
      if (shortId === undefined) continue;
      const bridge = key.toString('latin1', 0, IFNAMSIZ).replace(/\0.*$/s, '');
      const source = { bridge, address: addressText(key.subarray(IFNAMSIZ)) };
      sources.set(shortId, [...(sources.get(shortId) ?? []), source]);
    }
  return [...sources]
    .filter(([, each]) => each.some(({ address }) => wanted.has(address)))
    .map(([shortId, each]) => ({ shortId, sources: each }));
}

async function elementsOf(set: string, options: NetlinkOptions) {
  try {
    return await listElements(options, TABLE, set);
  } catch (error) {
    const none = ['EPROTONOSUPPORT', 'EOPNOTSUPP']; // no nf_tables
    if (error instanceof CaissonError && none.includes(error.errno ?? '')) return [];
    throw error;
  }
}
