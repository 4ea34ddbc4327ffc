/** What the kernel has of a network: elements of the firewall's sets, and the bridge device. */
import { removeBridge } from '../../network/bridge/bridge-device.js';
import type { StoredNetwork } from '../../network/bridge/stored-network.js';
import { removeFromFirewall } from '../../network/firewall/ensure-firewall.js';

/** @throws ERR_NETWORK_FAILED */
export async function tearDownNetwork(network: Pick<StoredNetwork, 'bridge'>): Promise<void> {
  await removeFromFirewall(network.bridge);
  await removeBridge(network);
}
