/** `Engine.networks`. What the methods need is loaded when they are called. */
import type { StartWarning } from '../start/context.js';
import type { Store } from '../store/store.js';
import type { ConnectOptions } from '../options/network-connections.js';
import type { CreateNetworkOptions } from './create-network.js';
import type { NetworkInfo } from './network-info.js';

let make: (store: Store, verbs: ContainerVerbs) => Networks;

/** What changes containers, which are on a higher floor. */
export interface ContainerVerbs {
  connect(network: string, container: string, options: ConnectOptions): Promise<void>;
  disconnect(network: string, container: string, options: DisconnectOptions): Promise<void>;
}

/** How a container is taken from a network. */
export interface DisconnectOptions {
  /** Also from a network that does not exist any more. */
  readonly force?: boolean | undefined;
}

export function networksOf(store: Store, verbs: ContainerVerbs): Networks {
  return make(store, verbs);
}

/**
 * Networks with a bridge. `bridge`, `host` and `none` always exist. A network is a file; its bridge device is made when the
 * first container is started in it.
 */
export class Networks {
  readonly #store: Store;
  readonly #verbs: ContainerVerbs;

  static {
    make = (store, verbs) => new Networks(store, verbs);
  }

  private constructor(store: Store, verbs: ContainerVerbs) {
    this.#store = store;
    this.#verbs = verbs;
  }

  /**
   * Creates a network. Its subnet overlaps no other network's, and if it is chosen, no address and no route of the host.
   *
   * @param name `[a-zA-Z0-9][a-zA-Z0-9_.-]*`
   * @throws ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION, ERR_CONFLICTING_OPTIONS,
   *   ERR_NAME_IN_USE, ERR_SUBNET_OVERLAP, ERR_ADDRESSES_EXHAUSTED, ERR_STORAGE
   *
   * @example
   * const { ipv4 } = await engine.networks.create('net-1', { subnets: [{ subnet: '10.89.0.0/24' }] });
   * console.log(ipv4?.subnet); // 10.89.0.0/24
   * await engine.networks.remove('net-1');
   */
  async create(name: string, options: CreateNetworkOptions = {}): Promise<NetworkInfo> {
    const { createNetwork } = await import('./create-network.js');
    const { recordNetworkEvent } = await import('../store/network-events.js');
    const context = await this.#context();
    const network = await createNetwork(context, name, options);
    recordNetworkEvent(this.#store.paths.runRoot, network, 'create');
    const { networkInfo } = await import('./network-info.js');
    return networkInfo(context, network);
  }

  /**
   * In no order.
   *
   * @param filters Docker's `key=value`: driver, id, label, name, scope, type (`custom`, `builtin`), dangling
   * @throws ERR_INVALID_OPTION
   *
   * @example
   * for (const { name, driver } of await engine.networks.list(['driver=host'])) console.log(name, driver); // host host
   */
  async list(filters: readonly string[] = []): Promise<NetworkInfo[]> {
    const { matchesNetwork, parseNetworkFilters } = await import('./network-filters.js');
    const { networkInfo } = await import('./network-info.js');
    const wanted = parseNetworkFilters(filters);
    const context = await this.#context();
    const infos = await Promise.all(
      context.networks.all().map((network) => networkInfo(context, network)),
    );
    return infos.filter((info) => matchesNetwork(wanted, info));
  }

  /**
   * The network with that id, name, or beginning of an id, and its containers.
   *
   * @throws ERR_NO_SUCH_NETWORK, ERR_AMBIGUOUS_ID, ERR_DAMAGED_STATE
   *
   * @example
   * const { driver } = await engine.networks.inspect('none');
   * console.log(driver); // null
   */
  async inspect(reference: string): Promise<NetworkInfo> {
    const { networkInfo } = await import('./network-info.js');
    const context = await this.#context();
    return networkInfo(context, context.networks.find(reference));
  }

  /**
   * Removes a network that no container uses, and its bridge device.
   *
   * @throws ERR_NO_SUCH_NETWORK, ERR_AMBIGUOUS_ID, ERR_DAMAGED_STATE, ERR_NETWORK_IN_USE, ERR_NETWORK_FAILED;
   *   ERR_INVALID_OPTION for `bridge`, `host` and `none`
   *
   * @example
   * await engine.networks.create('net-2');
   * await engine.networks.remove('net-2');
   */
  async remove(reference: string): Promise<void> {
    const { deleteNetwork } = await import('./delete-networks.js');
    await deleteNetwork(await this.#context(), reference);
  }

  /**
   * Removes all networks that no container uses, except for `bridge`, `host` and `none`.
   *
   * @param filters Docker's `key=value`: until, label, label!
   * @returns the removed networks
   * @throws ERR_INVALID_OPTION, ERR_NETWORK_FAILED
   *
   * @example
   * await engine.networks.create('net-3');
   * for (const { name } of await engine.networks.prune()) console.log(name); // net-3
   */
  async prune(filters: readonly string[] = []): Promise<NetworkInfo[]> {
    const { pruneNetworks } = await import('./delete-networks.js');
    const { networkInfo } = await import('./network-info.js');
    const context = await this.#context();
    const removed = await pruneNetworks(context, filters);
    return Promise.all(removed.map((network) => networkInfo(context, network)));
  }

  /**
   * Makes what other programs have removed from the firewall, such as `nft flush ruleset`: the tables, the networks, and the
   * published ports, policies and filters for frames of containers that run. The next start with a network of bridges does that, too. Starts the resolver
   * if it was killed.
   *
   * @returns why packets of containers may not be forwarded nevertheless
   * @throws ERR_NETWORK_FAILED
   *
   * @example
   * for (const { message, hint } of await engine.networks.reload()) console.error(message, hint);
   */
  async reload(): Promise<StartWarning[]> {
    const context = await this.#context();
    const { netlink, resolver } = context.networks;
    // The shared network of a rootless user has all of it when it is made.
    if ((await netlink.userNetwork?.isThere()) === false) return [];
    const recovered = (await netlink.userNetwork?.recover()) ?? [];
    const { restoreFirewall } = await import('../../network/bridge/restore-firewall.js');
    const { restartResolver } = await import('../../network/names/resolver-client.js');
    const { tellHostAddresses } = await import('../../network/policy/host-addresses.js');
    await restartResolver(resolver, netlink);
    const warnings = await restoreFirewall(context);
    await tellHostAddresses(netlink);
    return [...recovered, ...warnings];
  }

  /**
   * Connects a detached container to one more network. If it runs, it has another interface at once (`eth1` and so on), and other
   * containers find it there; else, with its next start.
   *
   * @param container its name, id, or the beginning of that
   * @throws ERR_NO_SUCH_NETWORK, ERR_NO_SUCH_CONTAINER, ERR_AMBIGUOUS_ID, ERR_INVALID_OPTION, ERR_ALREADY_CONNECTED,
   *   ERR_CONFLICTING_OPTIONS (a network that has no bridge, on either side), ERR_ADDRESS_IN_USE, ERR_ADDRESSES_EXHAUSTED,
   *   ERR_NETWORK_FAILED, ERR_STORAGE
   *
   * @example
   * await engine.networks.create('net-4');
   * const server = await engine.create('busybox', ['sleep', '600'], { network: 'bridge' });
   * await engine.networks.connect('net-4', server.id, { aliases: ['db'] });
   * await server.remove();
   * await engine.networks.remove('net-4');
   */
  async connect(network: string, container: string, options: ConnectOptions = {}): Promise<void> {
    await this.#verbs.connect(network, container, options);
  }

  /**
   * Takes a detached container from a network, at once if it runs. A container may be left without any.
   *
   * @throws ERR_NO_SUCH_NETWORK, ERR_NO_SUCH_CONTAINER, ERR_AMBIGUOUS_ID, ERR_INVALID_OPTION, ERR_NOT_CONNECTED,
   *   ERR_CONFLICTING_OPTIONS (the network `host`), ERR_NETWORK_FAILED, ERR_STORAGE
   *
   * @example
   * await engine.networks.create('net-5');
   * const server = await engine.create('busybox', ['sleep', '600'], { network: 'net-5' });
   * await engine.networks.disconnect('net-5', server.id);
   * await server.remove();
   * await engine.networks.remove('net-5');
   */
  async disconnect(
    network: string,
    container: string,
    options: DisconnectOptions = {},
  ): Promise<void> {
    await this.#verbs.disconnect(network, container, options);
  }

  async #context() {
    const { claimContext } = await import('./container-lookup.js');
    return claimContext(this.#store);
  }
}
