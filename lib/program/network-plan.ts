/** What a launch program does for a container's network. */

/** Messages for the kernel over netlink(7), encoded (lib/network/netlink). */
export interface NetlinkRequest {
  /** 0 NETLINK_ROUTE, 12 NETLINK_NETFILTER. */
  readonly protocol: number;
  readonly bytes: Uint8Array;
  /** One line for each message, in the order of their sequence numbers, which begin with 1. */
  readonly text: string;
  /** Where the descriptor of the container's network namespace is to be put. */
  readonly namespaceAt?: number | undefined;
}

/** Something that only one container has, by a file in a directory of its own (lib/network/bridge/addresses.ts). */
export interface Claim {
  readonly file: string;
  readonly directory: string;
}

/** Interfaces on bridges. */
export interface BridgePlan {
  /** In the host's network namespace: makes the interfaces. */
  readonly outside: NetlinkRequest;
  /** In the container's: addresses and routes. */
  readonly inside: NetlinkRequest;
  /** Of the interfaces, as sysctl(8) names them. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Released when the container has ended, and is not started again by its supervisor. */
  readonly claims: readonly Claim[];
}
