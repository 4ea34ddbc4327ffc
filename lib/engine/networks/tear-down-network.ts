/** What the kernel has of a network: elements of the firewall's sets, and the bridge device. */
import { CaissonError } from '../../base/errors.js';
import { removeBridge } from '../../network/bridge/bridge-device.js';
import type { StoredNetwork } from '../../network/bridge/stored-network.js';
import { removeNetworkRequest } from '../../network/firewall/elements.js';
import { requestNetlink } from '../../network/netlink/request.js';

/** There is no table, or the kernel has no nf_tables: no container has been in the network since the machine was started. */
const NOTHING_THERE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EPROTONOSUPPORT']);

/** @throws ERR_NETWORK_FAILED */
export async function tearDownNetwork(network: StoredNetwork): Promise<void> {
  try {
    await requestNetlink(removeNetworkRequest(network.bridge));
  } catch (error) {
    if (!(error instanceof CaissonError && NOTHING_THERE.has(error.errno))) throw error;
  }
  await removeBridge(network);
}
