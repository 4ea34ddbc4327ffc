/** Whether this process can make networks with a bridge: asked where a container could do without. */
import { CaissonError } from '../../base/errors.js';
import { readIfThere } from '../../base/storage.js';
import { readConfinement } from '../../host/confinement.js';
import { explainRefusal } from '../../host/refusal.js';
import { generation } from '../firewall/nft-listing.js';
import { dryRun } from '../firewall/nft-messages.js';
import { tableMessages } from '../firewall/ruleset.js';
import { encodeRequest, NETLINK } from '../netlink/message.js';
import { requestNetlink } from '../netlink/request.js';
import { addImpossibleLink, IMPOSSIBLE_LINK } from '../netlink/rtnetlink.js';
import { linkIndex } from './bridge-device.js';
import type { NetworkStore } from './network-store.js';
import { isStored } from './stored-network.js';

/**
 * Nothing is made. Where the bridge of the network `bridge` is up, one question is enough; otherwise the kernel is asked for what
 * a start would make, in a way in which it makes nothing.
 *
 * @returns why not; undefined also where something else is wrong, which a start will tell
 */
export async function missingForBridges(networks: NetworkStore): Promise<CaissonError | undefined> {
  const { netlink } = networks;
  const { userNetwork } = netlink;
  const bridge = networks.find('bridge');
  const isUp = isStored(bridge) && linkIndex(bridge.bridge, netlink) !== 0;
  if ((await userNetwork?.isThere()) === true) return undefined;
  try {
    if (isUp) {
      // Whether this process may ask at all.
      await generation(netlink);
      return undefined;
    }
    // Whether there is the program that connects the network of a rootless user: that takes no process.
    await userNetwork?.resolvConf(readIfThere('/etc/resolv.conf') ?? '');
    await requestNetlink(dryRun(tableMessages()), netlink);
    for (const kind of ['bridge', 'veth'] as const) await askForKind(kind, networks);
    return undefined;
  } catch (error) {
    if (!(error instanceof CaissonError && isLasting(error))) return undefined;
    return userNetwork === undefined ? explained(error) : error;
  }
}

/** Why this process may not, if its own confinement is the reason. */
function explained(error: CaissonError): CaissonError {
  const { errno = '' } = error;
  const refusal = explainRefusal({ call: 'netlink', errno }, readConfinement());
  if (refusal === undefined) return error;
  const { reason, remedy } = refusal;
  return new CaissonError('ERR_NO_PRIVILEGES', reason, { stage: 'config', errno, hint: remedy });
}

async function askForKind(
  kind: 'bridge' | 'veth',
  { netlink }: Pick<NetworkStore, 'netlink'>,
): Promise<void> {
  try {
    await requestNetlink(encodeRequest(NETLINK.route, [addImpossibleLink(kind)]), netlink);
  } catch (error) {
    if (error instanceof CaissonError && error.errno === IMPOSSIBLE_LINK) return;
    throw error;
  }
}

/** What is missing, and not what is used up for a moment. */
function isLasting({ code, errno }: CaissonError): boolean {
  if (code !== 'ERR_NETWORK_FAILED' && code !== 'ERR_NO_PRIVILEGES') return false;
  return errno === undefined || LASTING.has(errno);
}

const LASTING: ReadonlySet<string> = new Set([
  'EACCES',
  'EAFNOSUPPORT',
  'EINVAL',
  'ENOENT',
  'ENOSYS',
  'EOPNOTSUPP',
  'EPERM',
  'EPROTONOSUPPORT',
]);
