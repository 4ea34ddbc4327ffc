/** What networks with a bridge are told of the rest: their containers, and what else knows of these. */
import type { NetworkPolicy } from '../policy/rules.js';
import type { NetworkStore } from './network-store.js';

/** What claims need to know of containers. */
export interface ContainerLookup {
  /** By long id: whether it runs, or is about to. Its address is not taken from it then. */
  isLive(containerId: string): boolean | Promise<boolean>;
  /** By long id; undefined: it has none, or is gone. */
  nameOf(containerId: string): string | undefined;
  /** Whether there is a container that is found by this name, in lower case. */
  isNamed(name: string): boolean;
}

export interface ClaimContext {
  readonly networks: NetworkStore;
  readonly containers: ContainerLookup;
  /** Removes what the firewall has of an address whose container has ended without doing so. Missing: it has nothing. */
  readonly unpublish?: (address: string) => Promise<void>;
  /** Has the resolver open again what the policy of a container allows by name, in sets that have just been made. */
  readonly reopenNames?: (containerId: string, policy: NetworkPolicy) => Promise<void>;
}
