/** Names in the rules of a policy that cannot be right: docs/network-policy.md. Loaded only for a policy with names. */
import { CaissonError } from '../../base/errors.js';
import { readIfThere } from '../../base/storage.js';
import type { ClaimContext } from '../../network/bridge/claim-context.js';
import { serversOf } from '../../network/names/name-servers.js';
import { lookUpNames } from '../../network/names/name-lookups.js';
import type { ContainerConfig } from '../options/config.js';
import type { StartWarning } from './context.js';

/**
 * Asks for all names that `allow` has without a wildcard, all at once, unless a container of one of its networks may have them.
 *
 * @param warn told of names of which it is not known whether they exist
 * @throws ERR_NAME_NOT_FOUND
 */
export async function checkAllowedNames(
  { networks, containers }: ClaimContext,
  { policy, endpoints, names: { dns } }: Pick<ContainerConfig, 'policy' | 'endpoints' | 'names'>,
  warn: (warning: StartWarning) => void,
): Promise<void> {
  const exact = (policy?.allow.names ?? []).filter(({ below }) => !below);
  if (exact.length === 0) return;
  const found = endpoints.map(({ network }) => networks.find(network));
  const created = found.filter((network) => network.name !== 'bridge');
  // Nothing else is looked up there.
  if (found.every((network) => 'internal' in network && network.internal)) return;
  const isOfContainer = (name: string) =>
    created.length > 0 &&
    (!name.includes('.') ||
      created.some((network) => name.endsWith(`.${network.name.toLowerCase()}`)));
  const asked = exact.map(({ name }) => name).filter((name) => !isOfContainer(name));
  const servers = serversOf(dns, readIfThere('/etc/resolv.conf') ?? '');
  const { missing, unknown } = await lookUpNames(asked, servers);
  const wrong = missing.filter((name) => created.length === 0 || !containers.isNamed(name));
  const [first] = wrong;
  if (first !== undefined)
    throw new CaissonError(
      'ERR_NAME_NOT_FOUND',
      `network.allow: ${wrong.join(', ')}: no address is known for ${wrong.length === 1 ? 'this name' : 'these names'} (asked: ${servers.map(({ address }) => address).join(', ')})`,
      {
        stage: 'config',
        path: first,
        hint: 'correct the name; for names that come and go allow *.NAME, the names below one, or an address; other name servers: dns',
      },
    );
  if (unknown.length > 0)
    warn({
      message: `network.allow: no name server has told whether ${unknown.join(', ')} ${unknown.length === 1 ? 'exists' : 'exist'}`,
      hint: 'it is allowed as soon as it can be looked up',
    });
}
