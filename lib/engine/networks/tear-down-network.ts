/** What the kernel has of a network: elements of the firewall's sets, and the bridge device. */
import { removeBridge } from '../../network/bridge/bridge-device.js';
import type { StoredNetwork } from '../../network/bridge/stored-network.js';
import type { NetlinkOptions } from '../../network/netlink/request.js';
import { removeFromFirewall } from '../../network/firewall/ensure-firewall.js';

/** @throws ERR_NETWORK_FAILED */
export async function tearDownNetwork(
  network: Pick<StoredNetwork, 'bridge'>,
  options: NetlinkOptions = {},
): Promise<void> {
  // The shared network of a rootless user ends with all that it has.
  if ((await options.userNetwork?.isThere()) === false) return;
  await removeFromFirewall(network.bridge, options);
  await removeBridge(network, options);
}
