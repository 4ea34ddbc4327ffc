/** What the policy of a detached container has refused. */
import { shortId } from '../../base/ids.js';
import { keptDenied, listDenied, type DeniedConnection } from '../../network/policy/denied.js';
import { withHosts } from '../../network/names/denied-names.js';
import { claimContext } from './container-lookup.js';
import { isActive, type Store } from '../store/store.js';
import type { ContainerInfo } from '../store/stored.js';

/** Of the present run, or the last one; undefined: it has no policy. @throws ERR_NETWORK_FAILED */
export async function deniedConnections(
  store: Store,
  { config, state }: ContainerInfo,
): Promise<DeniedConnection[] | undefined> {
  if (typeof config.options.network !== 'object') return undefined;
  const { netlink, resolver } = claimContext(store).networks;
  const runs = isActive(state) && state.pid > 0;
  // The shared network of a rootless user is not made for this: it would have nothing of the container.
  const denied = !runs
    ? keptDenied(store.directory(config.id))
    : (await netlink.userNetwork?.isThere()) === false
      ? []
      : await listDenied(shortId(config.id), netlink);
  return withHosts(resolver, config.id, denied);
}
