/** The name servers of the host, which the resolver asks for everything that it does not know. */
import { readFileSync } from 'node:fs';
import { nameServersIn } from '../../base/resolv-conf.js';
import type { UpstreamServer } from './registration.js';

/** resolv.conf(5), MAXNS. */
const MAX_SERVERS = 3;

/**
 * @param resolvConf the text of the host's /etc/resolv.conf. Loopback addresses are kept, as the resolver asks from the
 *   host's network namespace.
 */
export function upstreamServers(resolvConf: string): UpstreamServer[] {
  return nameServersIn(resolvConf)
    .flatMap((text) => {
      const [address = '', zone] = text.split('%');
      const scope = zone === undefined ? 0 : interfaceIndex(zone);
      return scope === undefined ? [] : [{ address, scope }];
    })
    .slice(0, MAX_SERVERS);
}

/** Undefined if there is no such interface. */
function interfaceIndex(zone: string): number | undefined {
  if (/^\d+$/.test(zone)) return Number(zone);
  if (!/^[^\s/]+$/.test(zone)) return undefined;
  try {
    return Number(readFileSync(`/sys/class/net/${zone}/ifindex`, 'utf8'));
  } catch {
    return undefined;
  }
}
