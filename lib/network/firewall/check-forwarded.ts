/** What of published ports a process without rights can provide, by listening to them itself. */
import { unsupported } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import { readIfThere } from '../../base/storage.js';
import { bindingText, type PortBinding } from './port-bindings.js';

/** ip(7) */
const UNPRIVILEGED = '/proc/sys/net/ipv4/ip_unprivileged_port_start';

/**
 * Of a rootless user's containers on networks with a bridge.
 *
 * @throws ERR_UNSUPPORTED_OPTION, ERR_NETWORK_FAILED of a port that this user may not bind
 */
export function checkForwarded(bindings: readonly PortBinding[]): void {
  const sctp = bindings.find(({ protocol }) => protocol === 'sctp');
  if (sctp !== undefined)
    throw unsupported('ports', bindingText(sctp), 'is not supported: SCTP is not forwarded to containers of a rootless user', 'tcp or udp, or start it as root'); // prettier-ignore
  checkPrivileges('a rootless user', bindings);
}

/** @param who may not bind ports of root. @throws ERR_NETWORK_FAILED */
export function checkPrivileges(who: string, bindings: readonly PortBinding[]): void {
  const first = Number(readIfThere(UNPRIVILEGED) ?? 1024);
  const low = bindings.find(({ hostPort }) => lastOf(hostPort) < first);
  if (low === undefined) return;
  throw new CaissonError(
    'ERR_NETWORK_FAILED',
    `ports: ${bindingText(low)}: ${who} may not bind ports of the host below ${first}`,
    {
      stage: 'config',
      path: 'ports',
      hint: `choose another port, or as root: sysctl net.ipv4.ip_unprivileged_port_start=${firstOf(low.hostPort)}`,
    },
  );
}

type HostPort = PortBinding['hostPort'];
const firstOf = (port: HostPort) => (typeof port === 'object' ? port[0] : (port ?? 0));
/** Any port is one of a range above. */
const lastOf = (port: HostPort) => (typeof port === 'object' ? port[1] : (port ?? 65_535));
