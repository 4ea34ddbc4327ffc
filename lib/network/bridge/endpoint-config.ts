/** A connection of a container to a network with a bridge. */
export interface EndpointConfig {
  /** Its name or id, or the beginning of that. */
  readonly network: string;
  /** Further names of the container there, in lower case. */
  readonly aliases: readonly string[];
  /** The addresses that are wanted; by default the next free ones. */
  readonly ip: string | undefined;
  readonly ip6: string | undefined;
  /** Lower case, with colons; by default it follows from the IPv4 address. */
  readonly mac: string | undefined;
  /** Further addresses, of the link alone. */
  readonly linkLocal: readonly string[];
  /** Of several networks, that with the highest has the default route (gateways.ts). */
  readonly priority: number;
}
