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
  /** Is removed with it, unless it has another's. */
  readonly directory?: string | undefined;
}

/** Ports of the host that lead to ports of the container. */
export interface PublishPlan {
  /** The texts of `port.bind`, or of `port.forward`. */
  readonly sockets: { readonly text: string; readonly bytes: Uint8Array };
  /** The bridges are in another network namespace than the ports. */
  readonly forwards: boolean;
  /** Batches that remove elements which a killed supervisor has left of these ports: for when they are in the way of `publish`. */
  readonly others: Uint8Array;
  readonly publish: NetlinkRequest;
  readonly unpublish: NetlinkRequest;
  /** Flows that are older than the ports; after `publish`. */
  readonly forgetBefore?: NetlinkRequest | undefined;
  /** Flows that lead to the container; after `unpublish`. */
  readonly forgetAfter?: NetlinkRequest | undefined;
}

/** What a container's outgoing connections are allowed by. */
export interface PolicyPlan {
  readonly add: NetlinkRequest;
  readonly remove: NetlinkRequest;
  /** What was refused: a dump of each set that tells, by the name of the file that it is kept in after the end. */
  readonly denied: Readonly<Record<string, NetlinkRequest>>;
}

/** Which frames the interfaces may send. */
export interface FramePlan {
  readonly add: NetlinkRequest;
  readonly remove: NetlinkRequest;
}

/** Interfaces on bridges. All of its texts may be a start's own (own-texts.ts). */
export interface BridgePlan {
  /** In the host's network namespace: one for each interface, which makes it. */
  readonly outside: readonly NetlinkRequest[];
  /**
   * Takes the interfaces off their bridges: the container's network namespace may live on, with a container that has joined it, or
   * until the kernel comes to its end.
   */
  readonly detach: NetlinkRequest;
  /** What makes the tables of the firewall if they are missing: a file, with a request of nfnetlink. */
  readonly repairFile?: string | undefined;
  /** Undefined: the kernel cannot tell frames apart. */
  readonly frames?: FramePlan | undefined;
  /** In the container's: addresses and routes. */
  readonly inside: NetlinkRequest;
  readonly published?: PublishPlan | undefined;
  readonly policy?: PolicyPlan | undefined;
  /** Of the interfaces, as sysctl(8) names them. */
  readonly sysctls: Readonly<Record<string, number>>;
  /** Released when the container has ended, and is not started again by its supervisor. */
  readonly claims: readonly Claim[];
}
