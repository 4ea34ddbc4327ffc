/** The network of a container for which none was named on the command line: Docker's, where there can be one. */
import type { CaissonError } from '../../base/errors.js';
import type { RunOptions } from '../options/options.js';
import type { StartContext } from '../start/context.js';
import { conflictWithNetworks } from '../start/joined-namespaces.js';

export interface DefaultNetwork {
  readonly network: 'bridge' | 'none';
  /** With `none`: why it is not `bridge`. */
  readonly missing?: CaissonError;
}

/** What needs a network: without one it is an error. Then the start says what is missing. */
const NEEDING = ['ports', 'publishAll', 'ip', 'ip6', 'macAddress', 'networkAliases', 'linkLocalIps'] as const; // prettier-ignore

/** @throws ERR_NO_SUCH_CONTAINER, ERR_AMBIGUOUS_ID of a container that a rootless user's is to join; ERR_DAMAGED_STATE */
export async function defaultNetwork(
  { networks, store, users }: Pick<StartContext, 'networks' | 'store' | 'users'>,
  options: RunOptions,
): Promise<DefaultNetwork> {
  if (NEEDING.some((option) => options[option] !== undefined)) return { network: 'bridge' };
  const missing =
    (users === undefined ? undefined : await conflictWithNetworks(store, options)) ??
    (await missingForBridges(networks));
  return missing === undefined ? { network: 'bridge' } : { network: 'none', missing };
}

async function missingForBridges(
  networks: StartContext['networks'],
): Promise<CaissonError | undefined> {
  const { missingForBridges: ask } = await import('../../network/bridge/bridge-support.js');
  return ask((await networks()).networks);
}
