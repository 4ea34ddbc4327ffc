/** Networks as containers name them. */
import { isIdPrefix } from '../../base/ids.js';

/** Which of the connections of a container is to this network: by its name, its id, or the beginning of that. */
export function connectionTo<T extends { readonly network: string }>(
  { id, name }: { readonly id: string; readonly name: string },
  connections: readonly T[],
): T | undefined {
  const isIt = ({ network }: T) =>
    network === name || network === id || (network === 'default' && name === 'bridge');
  return (
    connections.find(isIt) ??
    connections.find(({ network }) => isIdPrefix(network) && id.startsWith(network))
  );
}
