/** Which of several networks has the default route. */

/** What the choice depends on. */
interface Candidate {
  readonly network: { readonly name: string; readonly internal: boolean };
  readonly ipv4: { readonly address: string };
  readonly ipv6: { readonly address: string } | undefined;
  readonly priority: number;
}

/** By family; undefined: no route leads out. */
export interface Gateways<T> {
  readonly ipv4: T | undefined;
  readonly ipv6: T | undefined;
}

/**
 * As in Docker: that with the highest priority, and of several the first by name; never an internal one.
 * (https://docs.docker.com/reference/cli/docker/network/connect/, --gw-priority)
 */
export function gatewaysOf<T extends Candidate>(endpoints: readonly T[]): Gateways<T> {
  const sorted = endpoints
    .filter(({ network }) => !network.internal)
    .sort((a, b) => b.priority - a.priority || (a.network.name < b.network.name ? -1 : 1));
  return { ipv4: sorted[0], ipv6: sorted.find(({ ipv6 }) => ipv6 !== undefined) };
}

/** Those that published ports lead to: of the networks with the default routes, or else of the first one. */
export function publishedAddresses(endpoints: readonly Candidate[]): {
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
} {
  const [first] = endpoints;
  const { ipv4 = first, ipv6 = ipv4 } = gatewaysOf(endpoints);
  return { ipv4: ipv4?.ipv4.address, ipv6: ipv6?.ipv6?.address };
}
