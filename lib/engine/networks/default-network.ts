/** The network of a container for which none was named on the command line: Docker's, where there can be one. */
import { unsupported } from '../../base/check.js';
import type { CaissonError } from '../../base/errors.js';
import { joinedContainer } from '../options/namespace-options.js';
import type { RunOptions } from '../options/options.js';
import type { StartContext } from '../start/context.js';

export interface DefaultNetwork {
  readonly network: 'bridge' | 'none';
  /** With `none`: why it is not `bridge`. */
  readonly missing?: CaissonError;
}

/** What needs a network: without one it is an error. Then the start says what is missing. */
const NEEDING = ['ports', 'publishAll', 'ip', 'ip6', 'macAddress', 'networkAliases', 'linkLocalIps'] as const; // prettier-ignore

export async function defaultNetwork(
  context: Pick<StartContext, 'networks' | 'users'>,
  options: RunOptions,
): Promise<DefaultNetwork> {
  if (NEEDING.some((option) => options[option] !== undefined)) return { network: 'bridge' };
  const missing = joinsUsers(context, options)
    ? unsupported('network', 'bridge', 'is not supported for a rootless container that joins namespaces of another one, whose user namespace it has', '--network container:NAME_OR_ID') // prettier-ignore
    : await missingForBridges(context);
  return missing === undefined ? { network: 'bridge' } : { network: 'none', missing };
}

/** Of a rootless user: those of the shared network are others. */
function joinsUsers({ users }: Pick<StartContext, 'users'>, options: RunOptions): boolean {
  if (users === undefined) return false;
  return (['pid', 'ipc', 'userns'] as const).some(
    (option) => joinedContainer(option, options[option]) !== undefined,
  );
}

async function missingForBridges(
  context: Pick<StartContext, 'networks'>,
): Promise<CaissonError | undefined> {
  const { missingForBridges: ask } = await import('../../network/bridge/bridge-support.js');
  const { networks } = await context.networks();
  return ask(networks);
}
