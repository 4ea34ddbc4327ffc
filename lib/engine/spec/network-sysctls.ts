/**
 * What Docker sets in every network namespace that it makes (moby daemon/oci_linux.go): every user may listen on low
 * ports and send ICMP echo requests.
 */
import type { ContainerConfig } from '../options/config.js';
import type { UserNamespaceIds } from '../../host/user-namespace-ids.js';

/** The largest gid that `net.ipv4.ping_group_range` takes. */
const LAST_GROUP = 2_147_483_647;

/** @param size of the container's id range; undefined with the host's users. */
export function networkSysctls(
  { network }: Pick<ContainerConfig, 'network'>,
  size: number | undefined,
  users: UserNamespaceIds | undefined,
): Readonly<Record<string, string>> {
  // Those of a shared network are not the container's to set.
  if (network === 'host' || network === 'container' || network === 'namespace') return {};
  const last =
    users !== undefined ? lastMapped(users.gids) : size === undefined ? LAST_GROUP : size - 1;
  return {
    'net.ipv4.ip_unprivileged_port_start': '0',
    'net.ipv4.ping_group_range': `0 ${last}`,
  };
}

/** The last of the ids without a gap from 0 on. */
function lastMapped(runs: UserNamespaceIds['gids']): number {
  let last = 0;
  for (const { inside, count } of runs)
    if (inside <= last + 1) last = Math.max(last, inside + count - 1);
  return last;
}
