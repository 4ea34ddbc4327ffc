/** `network connect` and `network disconnect`: the networks of a container that exists, running or not. */
import { checkOptions, conflicting, invalid } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import { withLock } from '../../host/locks.js';
import { connectionTo } from '../../network/bridge/connection-to.js';
import { possibleConnection } from '../../network/bridge/connect.js';
import type { Endpoint } from '../../network/bridge/endpoint.js';
import { dropClaimsIn } from '../../network/bridge/left-claims.js';
import type { AnyNetwork } from '../../network/bridge/stored-network.js';
import type { PublishedPort } from '../../network/firewall/port-bindings.js';
import { claimContext } from '../networks/container-lookup.js';
import { withNetworks } from '../networks/container-networks.js';
import { recordNetworkEvent } from '../store/network-events.js';
import type { DisconnectOptions } from '../networks/networks.js';
import {
  checkConnection,
  checkConnections,
  type ConnectOptions,
  type NetworkConnection,
} from '../options/network-connections.js';
import { networkModeOf, networkName } from '../options/options.js';
import { normalizePorts } from '../options/ports.js';
import { currentConnections } from '../store/current-options.js';
import { isActive } from '../store/store.js';
import type { ContainerInfo, StoredConfig, StoredState } from '../store/stored.js';
import { changeContainer } from './change-container.js';
import type { ContainerContext } from './container-context.js';
import { inspectContainer, storedContainer } from './inspect-container.js';
import { changeInterfaces, compileNextRuns, tellNextRuns } from './running-networks.js';

/** With Docker's conditions, and its words (moby, daemon/container_operations.go). */
export async function connectNetwork(
  context: ContainerContext,
  reference: string,
  container: string,
  options: ConnectOptions,
): Promise<void> {
  const { store } = context;
  const { networks } = claimContext(store);
  const connection = { ...checkOptions(options), network: networkReference(reference) };
  checkConnection(connection);
  await withContainer(context, container, async (config, state) => {
    const network = networks.find(connection.network);
    const present = currentConnections(config);
    checkConnects(config, network);
    if (connectionTo(network, present) !== undefined)
      throw new CaissonError('ERR_ALREADY_CONNECTED', `endpoint with name ${config.name} already exists in network ${network.name}`, { stage: 'config', path: network.name }); // prettier-ignore
    const connections = [...present, { ...connection, network: network.name }];
    // The addresses that are wanted, without claiming any.
    await possibleConnection(claimContext(store), config.id, checkConnections(connections), []); // prettier-ignore
    await change(context, config, state, network, connections);
  });
}

export async function disconnectNetwork(
  context: ContainerContext,
  reference: string,
  container: string,
  options: DisconnectOptions,
): Promise<void> {
  const { networks } = claimContext(context.store);
  const { force = false } = checkOptions(options);
  if (typeof force !== 'boolean') throw invalid('force', force, 'is neither true nor false');
  const wanted = networkReference(reference);
  await withContainer(context, container, async (config, state) => {
    const network = findNetwork(() => networks.find(wanted), force, wanted);
    const present = currentConnections(config);
    const mode = networkName(config.options);
    if (mode === 'host' && network.driver === 'host')
      throw conflicting('network', 'cannot disconnect container from host network - container was created in host network mode'); // prettier-ignore
    // As in Docker: what has no network can then be connected to one.
    const isNone = mode === 'none' && network.driver === 'null' && config.connections === undefined;
    const connection = connectionTo(network, present);
    if (connection === undefined && !isNone)
      throw new CaissonError('ERR_NOT_CONNECTED', `container ${config.id} is not connected to network ${network.name}`, { stage: 'config', path: network.name }); // prettier-ignore
    const connections = present.filter((each) => each !== connection);
    if (isNone) await context.store.writeConfig({ ...config, connections });
    else await change(context, config, state, network, connections);
  });
}

/** Of a network that is gone, as much as a container still says of it. */
type KnownNetwork = AnyNetwork | { readonly id: string; readonly name: string; readonly driver: 'bridge' }; // prettier-ignore

function findNetwork(find: () => AnyNetwork, force: boolean, name: string): KnownNetwork {
  try {
    return find();
  } catch (error) {
    if (!force || !(error instanceof CaissonError) || error.code !== 'ERR_NO_SUCH_NETWORK') throw error; // prettier-ignore
    return { id: '', name, driver: 'bridge' };
  }
}

function networkReference(reference: unknown): string {
  if (typeof reference !== 'string' || reference === '')
    throw invalid('network', reference, 'is not the name or id of a network');
  return reference === 'default' ? 'bridge' : reference;
}

/** With its lock, and without what a killed supervisor has left. */
async function withContainer(
  context: ContainerContext,
  reference: string,
  work: (config: StoredConfig, state: StoredState) => Promise<void>,
): Promise<void> {
  const { store } = context;
  const id = await store.find(reference);
  await inspectContainer(context, id);
  await withLock(store.paths.runRoot, id, async () => {
    const { config, state } = storedContainer(store, id);
    await work(config, state);
  });
}

function checkConnects(config: StoredConfig, network: AnyNetwork): void {
  const mode = networkModeOf(config.options);
  const kind = networkName(config.options);
  const shared = 'container sharing network namespace with another container or host cannot be connected to any other network'; // prettier-ignore
  if (kind === undefined) throw conflicting('network', shared, `it was created with network "${mode}"`); // prettier-ignore
  if (network.driver === 'host')
    throw conflicting('network', 'cannot connect container to host network - container must be created in host network mode'); // prettier-ignore
  if (kind === 'host' || kind === 'pasta' || kind === 'slirp4netns')
    throw conflicting('network', shared, `it was created with network "${mode}"`);
  if (network.driver === 'null' || (kind === 'none' && config.connections === undefined))
    throw conflicting(
      'network',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
      network.driver === 'null' ? undefined : `disconnect it first: caisson network disconnect none ${config.name}`, // prettier-ignore
    );
}

async function change(
  context: ContainerContext,
  config: StoredConfig,
  state: StoredState,
  network: KnownNetwork,
  connections: readonly NetworkConnection[],
): Promise<void> {
  const { store } = context;
  const updated: StoredConfig = { ...config, connections };
  if (!isActive(state)) {
    await store.writeConfig(updated);
    return;
  }
  const { networks } = claimContext(store);
  const connects = connections.length > currentConnections(config).length;
  // What a process that was killed has left of an earlier attempt.
  if (connects) await dropClaimsIn(networks, network.id, config.id);
  const start = await context.startContext();
  const ports = await portsOf(context, config, state);
  const previous = connects ? undefined : await compileNextRuns(start, config, state, ports);
  const next = await compileNextRuns(start, updated, state, ports);
  const after = next.connection?.endpoints ?? [];
  const before: readonly Endpoint[] =
    previous?.connection?.endpoints ?? after.filter((each) => each.network.id !== network.id);
  try {
    await changeContainer(store, updated, state, async (rollback) => {
      // First, so that whatever is made from here on is torn down with the container.
      if (connects) {
        rollback.push(async () => tellNextRuns(context, config, await compileNextRuns(start, config, state, ports))); // prettier-ignore
        await tellNextRuns(context, updated, next);
      }
      const settled = connects ? next.config : (previous ?? next).config;
      if (state.status === 'running')
        await changeInterfaces(start, { networks, id: config.id, state, config: settled, before, after, ports }, rollback); // prettier-ignore
      if (!connects) {
        rollback.push(async () => previous && tellNextRuns(context, config, previous));
        await tellNextRuns(context, updated, next);
      }
    });
  } catch (error) {
    next.connection?.release();
    throw error;
  }
  // Last: nothing uses them any more.
  if (!connects) await dropClaimsIn(networks, network.id, config.id);
  // Otherwise its supervisor tells it at the next start.
  if (state.status !== 'running') return;
  recordNetworkEvent(store.paths.runRoot, network, connects ? 'connect' : 'disconnect', {
    container: config.id,
  });
}

/** The ports of the host that lead to it; of one that had no network left, those that do not depend on a choice. */
export async function portsOf(
  { store }: ContainerContext,
  config: StoredConfig,
  state: StoredState,
): Promise<readonly PublishedPort[]> {
  const { ports, expose, publishAll } = config.options;
  const wanted = normalizePorts(ports, expose, publishAll);
  if (wanted.length === 0) return [];
  const info: ContainerInfo = { config, state, status: state.status };
  const [known] = await withNetworks(store, [info]);
  if ((known?.networks ?? []).length > 0) return known?.ports ?? [];
  return wanted.flatMap((port) =>
    typeof port.hostPort === 'number' ? [{ ...port, hostPort: port.hostPort }] : [],
  );
}
