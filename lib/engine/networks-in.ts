/** `Engine.networks`, with the verbs that concern containers. */
import { type Networks, networksOf } from './networks/networks.js';
import type { ContainerContext } from './container/container-context.js';

export function networksIn(context: ContainerContext): Networks {
  return networksOf(context.store, {
    async connect(network, container, options) {
      const { connectNetwork } = await import('./container/connect-network.js');
      await connectNetwork(context, network, container, options);
    },
    async disconnect(network, container, options) {
      const { disconnectNetwork } = await import('./container/connect-network.js');
      await disconnectNetwork(context, network, container, options);
    },
  });
}
