/** `run`, `create` and `explain run` without `--network`. */
import { messageWithoutHint } from '../../base/errors.js';
import type { Engine } from '../../engine/engine.js';
import type { RunOptions } from '../../engine/options/options.js';
import { print } from '../report.js';

/** The options with Docker's network, or with none, of which a warning tells, where that is not possible. */
export async function withDefaultNetwork(engine: Engine, options: RunOptions): Promise<RunOptions> {
  if (options.network !== undefined || options.networks !== undefined) return options;
  const [{ contextOf }, { defaultNetwork }] = await Promise.all([
    import('../../engine/engine.js'),
    import('../../engine/networks/default-network.js'),
  ]);
  const { network, missing } = await defaultNetwork(contextOf(engine), options);
  if (missing !== undefined) {
    const why = messageWithoutHint(missing).replace(/^network: /, '');
    const remedy = missing.hint === undefined ? '' : ` (${missing.hint})`;
    print(2, `WARNING: the container has no network: ${why}${remedy}; --network none avoids this warning\n`); // prettier-ignore
  }
  return { ...options, network };
}
