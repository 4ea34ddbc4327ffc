/** What is said of a container's network before anything is looked up for it. */

/** What of a container's configuration its network is made from. */
export interface NetworkConfig {
  readonly network: 'none' | 'host' | 'pasta' | 'slirp4netns';
  /** Of the last two, unchecked (user-network.ts). */
  readonly networkOptions: string;
  readonly userns: 'auto' | 'host';
}
