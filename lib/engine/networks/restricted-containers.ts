/** Detached containers that run under a policy, and what was refused to each. */
import { shortId } from '../../base/ids.js';
import type { AnyNetwork } from '../../network/bridge/stored-network.js';
import { listElements } from '../../network/firewall/nft-listing.js';
import { SET, TABLE } from '../../network/firewall/ruleset.js';
import { withHosts } from '../../network/names/denied-names.js';
import { type DeniedConnection, listDenied } from '../../network/policy/denied.js';
import { shortIdOf } from '../../network/policy/policy-requests.js';
import { currentConnections } from '../store/current-options.js';
import { readableConfig, type Store } from '../store/store.js';
import { claimContext } from './container-lookup.js';

export interface RestrictedContainer {
  readonly id: string;
  /** The first of its networks. */
  readonly network: AnyNetwork;
  readonly denied: readonly DeniedConnection[];
}

/** By the firewall, which knows only those that run. @throws ERR_NETWORK_FAILED */
export async function restrictedContainers(store: Store): Promise<RestrictedContainer[]> {
  const { networks } = claimContext(store);
  const { netlink, resolver } = networks;
  if ((await netlink.userNetwork?.isThere()) === false) return [];
  const listed = await Promise.all(
    [SET.restricted4, SET.restricted6].map(({ name }) => listElements(netlink, TABLE, name)),
  );
  const short = new Set(listed.flat().flatMap(({ chain }) => shortIdOf(chain ?? '') ?? []));
  if (short.size === 0) return [];
  const found: RestrictedContainer[] = [];
  for (const id of store.ids().filter((each) => short.has(shortId(each)))) {
    const config = readableConfig(store, id);
    const [connection] = config === undefined ? [] : currentConnections(config);
    if (connection === undefined) continue;
    const denied = await withHosts(resolver, id, await listDenied(shortId(id), netlink));
    found.push({ id, network: networks.find(connection.network), denied });
  }
  return found;
}
