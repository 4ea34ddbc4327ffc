/** A change of the networks of a container that runs: in the kernel, for the resolver, and for what its supervisor runs next. */
import { shortId } from '../../base/ids.js';
import { CaissonError } from '../../base/errors.js';
import { errnoName } from '../../base/errno.js';
import type { Endpoint } from '../../network/bridge/endpoint.js';
import { publishedAddresses } from '../../network/bridge/gateways.js';
import {
  type ContainerNetwork,
  openNetwork,
  plugIn,
  setDefaultRoutes,
  unplug,
} from '../../network/bridge/hot-plug.js';
import type { NetworkStore } from '../../network/bridge/network-store.js';
import { movePortsRequest, publishRequest, unpublishRequest } from '../../network/firewall/elements.js'; // prettier-ignore
import { restrict } from '../../network/bridge/restrict.js';
import type { PublishedPort } from '../../network/firewall/port-bindings.js';
import { type NetlinkOptions, requestNetlink } from '../../network/netlink/request.js';
import type { StartContext } from '../start/context.js';
import { prepareNextRuns } from '../start/prepare-detached.js';
import type { InstantiatedStart } from '../start/prepared-start.js';
import { currentOptions } from '../store/current-options.js';
import { rootOf } from '../store/image-of.js';
import type { StoredConfig, StoredState } from '../store/stored.js';
import { replacePrograms } from '../supervisor/next-programs.js';
import { stdinOf, supervisorConfig } from '../supervisor/start-detached.js';
import type { Rollback } from './change-container.js';
import type { ContainerContext } from './container-context.js';
import { updateNames } from './name-files.js';
import { SupervisorClient } from './supervisor-client.js';

/** @param ports that are published to it. @throws what a start with this configuration would */
export async function compileNextRuns(
  context: StartContext,
  config: StoredConfig,
  state: StoredState,
  ports: readonly PublishedPort[],
): Promise<InstantiatedStart> {
  return prepareNextRuns(context, config.id, rootOf(context.store, config), {
    argv: config.argv,
    options: { ...currentOptions(config), name: config.name, stdin: stdinOf(config) },
    location: config,
    idBase: state.idBase,
    ports,
  });
}

/** @throws ERR_STORAGE; ERR_UPDATE_FAILED if the supervisor does not take it */
export async function tellNextRuns(
  context: ContainerContext,
  config: StoredConfig,
  next: InstantiatedStart,
): Promise<void> {
  const { store } = context;
  const start = await context.startContext();
  const bytes = supervisorConfig(start, store, config, next);
  const supervisor = new SupervisorClient(context, config.id);
  const errno = await replacePrograms(store.directory(config.id), bytes, () =>
    supervisor.command((connection) => connection.programs()),
  );
  // Undefined: it has ended meanwhile, and what comes next finds that out.
  if (errno === undefined || errno === 0) return;
  throw new CaissonError(
    'ERR_UPDATE_FAILED',
    `container ${shortId(config.id)}: its supervisor refuses another network: ${errnoName(errno)}`,
    { stage: 'host', errno: errnoName(errno), path: config.id },
  );
}

/** What changes. */
export interface NetworkChange {
  readonly networks: NetworkStore;
  readonly id: string;
  readonly state: StoredState;
  /** With the connections of before and after. */
  readonly config: InstantiatedStart['config'];
  readonly before: readonly Endpoint[];
  readonly after: readonly Endpoint[];
  readonly ports: readonly PublishedPort[];
}

/**
 * Makes the container's interfaces, routes, published ports and names those of `after`.
 *
 * @throws ERR_NETWORK_FAILED, ERR_CONTAINER_NOT_RUNNING
 */
export async function changeInterfaces(
  context: StartContext,
  { networks, id, state, config, before, after, ports }: NetworkChange,
  rollback: Rollback,
): Promise<void> {
  const short = shortId(id);
  const isIn = (list: readonly Endpoint[], endpoint: Endpoint) =>
    list.some((other) => other.network.id === endpoint.network.id);
  const { netlink } = networks;
  const within = async (work: (network: ContainerNetwork) => Promise<void>) => {
    const network = await openNetwork(state, netlink);
    await work(network).finally(() => network.close());
  };
  const plug = (endpoint: Endpoint) =>
    within((network) => plugIn(short, network, endpoint, config.policy));
  const route = (endpoints: readonly Endpoint[]) =>
    within((network) => setDefaultRoutes(network, endpoints));
  const name = (from: readonly Endpoint[], to: readonly Endpoint[]) =>
    within(({ inside }) => updateNames(context, networks, { id, state, config, inside }, from, to));
  const added = after.filter((each) => !isIn(before, each));
  const removed = before.filter((each) => !isIn(after, each));
  const restricts = async (endpoints: readonly Endpoint[], gone: readonly Endpoint[]) => {
    if (config.policy === undefined) return;
    // Without any network it has no policy to be torn down.
    if (endpoints.length === 0) await restrict(id, undefined, gone, [], netlink);
    else await restrict(id, config.policy, endpoints, gone, netlink);
  };
  // The policy knows its addresses as long as there is an interface that has them.
  if (added.length > 0) {
    rollback.push(() => restricts(before, added));
    await restricts([...before, ...added], []);
  }
  for (const endpoint of added) {
    rollback.push(() => unplug(short, endpoint, netlink));
    await plug(endpoint);
  }
  rollback.push(() => name(after, before));
  await name(before, after);
  rollback.push(() => movePorts(after, before, ports, netlink));
  await movePorts(before, after, ports, netlink);
  rollback.push(() => route(before));
  for (const endpoint of removed) {
    rollback.push(() => plug(endpoint));
    await unplug(short, endpoint, netlink);
  }
  if (removed.length > 0) {
    rollback.push(() => restricts(before, []));
    await restricts(after, removed);
  }
  await route(after);
}

async function movePorts(
  before: readonly Endpoint[],
  after: readonly Endpoint[],
  ports: readonly PublishedPort[],
  options: NetlinkOptions,
): Promise<void> {
  if (ports.length === 0) return;
  const [from, to] = [publishedAddresses(before), publishedAddresses(after)];
  if (from.ipv4 === to.ipv4 && from.ipv6 === to.ipv6) return;
  if (before.length === 0) await requestNetlink(publishRequest(to, ports), options);
  else if (after.length === 0) await requestNetlink(unpublishRequest(from, ports), options);
  else await requestNetlink(movePortsRequest(from, to, ports), options);
}
