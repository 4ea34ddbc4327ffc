/** What is said of a container's network before anything is looked up for it. */

/** `bridge`: networks of bridges, predefined or created. */
export type NetworkMode = 'none' | 'host' | 'bridge' | 'pasta' | 'slirp4netns';

/** What of a container's configuration its network is made from. */
export interface NetworkConfig {
  readonly network: NetworkMode;
  /** Of `pasta` and `slirp4netns`, unchecked (user-network.ts). */
  readonly networkOptions: string;
  readonly userns: 'auto' | 'host';
}
