/** Changing what a container may connect to. */
import { shortId } from '../../base/ids.js';
import { conflicting } from '../../base/check.js';
import { withLock } from '../../host/locks.js';
import { readPublication, writePublication } from '../../network/bridge/publication.js';
import { isStored } from '../../network/bridge/stored-network.js';
import { namePolicyOf } from '../../network/names/policy-names.js';
import { updateNamePolicy } from '../../network/names/resolver-client.js';
import { requestNetlink } from '../../network/netlink/request.js';
import { tellHostAddresses } from '../../network/policy/host-addresses.js';
import { changeRequest, type Restricted } from '../../network/policy/policy-requests.js';
import type { NetworkPolicy, PolicyOptions } from '../../network/policy/rules.js';
import { claimContext } from '../networks/container-lookup.js';
import { findEndpoints } from '../networks/endpoints.js';
import { normalizeNames } from '../options/names.js';
import { normalizeNetwork } from '../options/network.js';
import { networkText } from '../options/options.js';
import { checkNames } from '../start/bridge-connection.js';
import { recordEvent } from '../store/container-events.js';
import { isActive, type Store } from '../store/store.js';
import type { StoredConfig } from '../store/stored.js';
import { changeContainer } from './change-container.js';
import type { ContainerContext } from './container-context.js';
import { storedContainer } from './inspect-container.js';

export async function updateNetwork(
  context: ContainerContext,
  id: string,
  policy: PolicyOptions,
): Promise<void> {
  const { store } = context;
  await withLock(store.paths.runRoot, id, async () => {
    const { config, state } = storedContainer(store, id);
    const before = config.options.network;
    const network = { ...policy, name: networkText(config.options) ?? 'none' };
    const updated = { ...config, options: { ...config.options, network } };
    const { policy: after, endpoints } = normalizeNetwork(updated.options);
    if (isActive(state) && typeof before !== 'object')
      throw conflicting('network', 'the container was started without a policy', 'stop it first');
    // Its supervisor starts it again with what it was started with.
    if (isActive(state) && config.restart.name !== 'no')
      throw conflicting(
        'network',
        `the container would have its present policy again after a restart by its restart policy, ${config.restart.name}`,
        'stop it first, or change its restart policy: caisson update --restart no',
      );
    const start = await context.startContext();
    const names = normalizeNames(updated.options);
    await checkNames(claimContext(store), { policy: after, endpoints, names }, (warning) =>
      start.warn(warning),
    );
    await changeContainer(store, updated, state, async (rollback) => {
      if (!isActive(state) || after === undefined) return;
      const present = normalizeNetwork(config.options).policy;
      if (present !== undefined) rollback.push(() => change(store, config, present));
      await change(store, config, after);
    });
    recordEvent(store, updated, 'update');
  });
}

/** Of a container that runs. Addresses first: those of names are in sets that they make. */
async function change(store: Store, config: StoredConfig, policy: NetworkPolicy): Promise<void> {
  const context = claimContext(store);
  const restricted = await restrictedOf(context, config);
  const { netlink, resolver } = context.networks;
  await tellHostAddresses(netlink);
  // Before the kernel, as restore-firewall.ts expects it.
  const publication = readPublication(context.networks, config.id);
  if (publication !== undefined)
    writePublication(context.networks, config.id, { ...publication, policy });
  await requestNetlink(changeRequest(restricted, policy), netlink);
  const names = namePolicyOf(shortId(config.id), policy);
  await updateNamePolicy(resolver, config.id, names, netlink);
}

async function restrictedOf(
  context: ReturnType<typeof claimContext>,
  { id, options }: StoredConfig,
): Promise<Restricted> {
  const sources = [];
  for (const { network: reference } of normalizeNetwork(options).endpoints) {
    const network = context.networks.find(reference);
    if (!isStored(network)) continue;
    const found = (await findEndpoints(context, network)).find((each) => each.containerId === id);
    for (const text of [found?.ipv4, found?.ipv6])
      if (text !== undefined)
        sources.push({ bridge: network.bridge, address: text.replace(/\/.*/, '') });
  }
  return { shortId: shortId(id), sources };
}
