/** What is said of a container's network before anything is looked up for it. */

import type { PortBinding } from './firewall/port-bindings.js';

/** `bridge`: networks of bridges, predefined or created. `container`, `namespace`: that of another container, of a file. */
export type NetworkMode =
  'none' | 'host' | 'bridge' | 'pasta' | 'slirp4netns' | 'container' | 'namespace';

/** What of a container's configuration its network is made from. */
export interface NetworkConfig {
  readonly network: NetworkMode;
  /**
   * Of `pasta` and `slirp4netns`, unchecked (user-network.ts); the name of the other container; the path of the file.
   */
  readonly networkOptions: string;
  readonly userns: 'auto' | 'host';
  /** Ports of the host that lead to the container. */
  readonly ports: readonly PortBinding[];
}
