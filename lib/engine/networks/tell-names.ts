/** Telling the resolver other names of a container that runs. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { shortId } from '../../base/ids.js';
import { CaissonError } from '../../base/errors.js';
import { readIfThere } from '../../base/storage.js';
import { isStored } from '../../network/bridge/stored-network.js';
import { type NamedEndpoint, registrationOf } from '../../network/names/name-servers.js';
import { namePolicyOf } from '../../network/names/policy-names.js';
import { encodeRegistration, type Registration } from '../../network/names/registration.js';
import { tellResolver } from '../../network/names/resolver-client.js';
import { normalizeNames } from '../options/names.js';
import { normalizeNetwork } from '../options/network.js';
import { currentOptions } from '../store/current-options.js';
import type { Store } from '../store/store.js';
import type { StoredConfig } from '../store/stored.js';
import { claimContext, type NetworksContext } from './container-lookup.js';
import { findEndpoints } from './endpoints.js';

/**
 * Now, and for the runs that its supervisor starts.
 *
 * @param config with the new names
 * @param tellSupervisor what its later runs register
 * @throws ERR_NO_SUCH_NETWORK, ERR_AMBIGUOUS_ID, ERR_DAMAGED_STATE, ERR_NETWORK_FAILED
 */
export async function tellNames(
  store: Store,
  config: StoredConfig,
  tellSupervisor: (registration: Buffer) => Promise<void>,
): Promise<void> {
  const context = claimContext(store);
  const registration = await currentRegistration(context, config);
  if (registration === undefined) return;
  // First: a run that begins between the two has the new names, and is told once more.
  await tellSupervisor(encodeRegistration(registration));
  try {
    const { resolver, netlink } = context.networks;
    await tellResolver(resolver, encodeRegistration(registration, 'update'), netlink);
  } catch (error) {
    // Between two runs it is not registered.
    if (!(error instanceof CaissonError) || error.errno !== 'ENOENT') throw error;
  }
}

/** From its configuration and its claims of addresses. Undefined: it has no resolver. */
async function currentRegistration(
  context: NetworksContext,
  config: StoredConfig,
): Promise<Registration | undefined> {
  const { id, name } = config;
  const options = currentOptions(config);
  const endpoints: NamedEndpoint[] = [];
  const { endpoints: configured, policy } = normalizeNetwork(options);
  for (const { network: reference, aliases } of configured) {
    const network = context.networks.find(reference);
    if (!isStored(network)) continue;
    const found = (await findEndpoints(context, network)).find((each) => each.containerId === id);
    if (found === undefined) continue;
    const addresses = [found.ipv4, found.ipv6].flatMap(
      (text) => text?.split('/').slice(0, 1) ?? [],
    );
    endpoints.push({ network, aliases, addresses });
  }
  if (endpoints.length === 0) return undefined;
  const { userNetwork } = context.networks.netlink;
  const resolvConf = readIfThere('/etc/resolv.conf') ?? '';
  return registrationOf({
    id,
    name,
    hostname: options.hostname,
    dns: normalizeNames(options).dns,
    endpoints,
    hostResolvConf: (await userNetwork?.resolvConf(resolvConf)) ?? resolvConf,
    policy: policy && namePolicyOf(shortId(id), policy),
    hasResolver: existsSync(join(context.networks.resolver, id)),
  });
}
