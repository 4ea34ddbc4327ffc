/** Changing what a container may connect to. */
import { shortId } from '../../base/ids.js';
import { withLock } from '../../host/locks.js';
import { openNetwork } from '../../network/bridge/hot-plug.js';
import { plugsOf } from '../../network/bridge/plugs.js';
import { restrict } from '../../network/bridge/restrict.js';
import { namePolicyOf } from '../../network/names/policy-names.js';
import { updateNamePolicy } from '../../network/names/resolver-client.js';
import type { NetworkPolicy, PolicyOptions } from '../../network/policy/rules.js';
import { claimContext } from '../networks/container-lookup.js';
import { normalizeNames } from '../options/names.js';
import { normalizeNetwork } from '../options/network.js';
import { networkText } from '../options/options.js';
import { checkNames } from '../start/bridge-connection.js';
import type { InstantiatedStart } from '../start/prepared-start.js';
import { recordEvent } from '../store/container-events.js';
import { currentOptions } from '../store/current-options.js';
import { isActive } from '../store/store.js';
import type { StoredConfig, StoredState } from '../store/stored.js';
import { changeContainer, type Rollback } from './change-container.js';
import { portsOf } from './connect-network.js';
import type { ContainerContext } from './container-context.js';
import { storedContainer } from './inspect-container.js';
import { updateNames } from './name-files.js';
import { compileNextRuns, tellNextRuns } from './running-networks.js';

export async function updateNetwork(
  context: ContainerContext,
  id: string,
  policy: PolicyOptions,
): Promise<void> {
  const { store } = context;
  await withLock(store.paths.runRoot, id, async () => {
    const { config, state } = storedContainer(store, id);
    const network = { ...policy, name: networkText(config.options) ?? 'none' };
    const updated = { ...config, options: { ...config.options, network } };
    const { policy: after, endpoints } = normalizeNetwork(currentOptions(updated));
    const start = await context.startContext();
    const names = normalizeNames(updated.options);
    await checkNames(claimContext(store), { policy: after, endpoints, names }, (warning) => start.warn(warning)); // prettier-ignore
    await changeContainer(store, updated, state, async (rollback) => {
      if (isActive(state)) await changeRunning(context, config, updated, state, rollback);
    });
    recordEvent(store, updated, 'update');
  });
}

async function changeRunning(
  context: ContainerContext,
  config: StoredConfig,
  updated: StoredConfig,
  state: StoredState,
  rollback: Rollback,
): Promise<void> {
  const { store } = context;
  const start = await context.startContext();
  const ports = await portsOf(context, config, state);
  const earlier = normalizeNetwork(currentOptions(config)).policy;
  // For its restarts. Each compilation writes what `network reload` restores (publication.ts), before the kernel is told.
  const compile = (which: StoredConfig) => compileNextRuns(start, which, state, ports);
  rollback.push(async () => tellNextRuns(context, config, await compile(config)));
  const next = await compile(updated);
  await tellNextRuns(context, updated, next);
  // It may have begun a run with the earlier one meanwhile.
  const { state: present } = store.state(config.id);
  if (present.pid === 0) return;
  const run = { context, next, state: present };
  rollback.push(() => changePolicy(run, next.config.policy, earlier));
  await changePolicy(run, earlier, next.config.policy);
}

interface ChangedRun {
  readonly context: ContainerContext;
  readonly next: InstantiatedStart;
  readonly state: StoredState;
}

/** Addresses first: those of names are in sets that they make. */
async function changePolicy(
  { context, next, state }: ChangedRun,
  before: NetworkPolicy | undefined,
  after: NetworkPolicy | undefined,
): Promise<void> {
  const { networks } = claimContext(context.store);
  const { netlink, resolver } = networks;
  const { id } = next.identity;
  const endpoints = next.connection?.endpoints ?? [];
  if (endpoints.length === 0) return;
  await restrict(id, after, endpoints, [], netlink);
  // Its teardown takes the interfaces off the bridges, and then removes the policy.
  if ((await plugsOf(shortId(id), netlink)).every(({ bridge }) => bridge === undefined))
    return restrict(id, undefined, endpoints, [], netlink);
  if (before !== undefined && after !== undefined)
    return updateNamePolicy(resolver, id, namePolicyOf(shortId(id), after), netlink);
  // Without a policy it may have no resolver.
  const network = await openNetwork(state, netlink);
  try {
    const config = { ...next.config, policy: after };
    const container = { id, state, config, earlier: { policy: before }, inside: network.inside };
    await updateNames(await context.startContext(), networks, container, endpoints, endpoints);
    if (after === undefined) await updateNamePolicy(resolver, id, undefined, netlink);
  } finally {
    await network.close();
  }
}
