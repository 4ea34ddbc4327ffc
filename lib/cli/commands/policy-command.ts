/** `caisson network policy`. */
import { normalizePolicy } from '../../network/policy/rules.js';
import { parseCommandLine } from '../args/command-line.js';
import { at, type EngineLocation } from '../command-context.js';
import { NETWORK_POLICY, policyOf } from '../flags/policy-flags.js';
import { print } from '../report.js';
import { complain } from './each.js';

export async function networkPolicy(
  args: readonly string[],
  location: EngineLocation,
): Promise<number> {
  const line = parseCommandLine(NETWORK_POLICY, args);
  const [name = ''] = line.args;
  return at(location, async (context) => {
    try {
      const container = await context.get(name);
      const policy = policyOf((flag) => {
        const values = line.values(flag);
        return values.length === 0 ? undefined : values;
      });
      if (policy !== undefined) {
        await container.updateNetwork(policy);
        print(1, `${name}\n`);
        return 0;
      }
      const { config, denied = [] } = await container.inspect();
      const { network } = config.options;
      if (typeof network !== 'object') {
        print(2, `caisson: ${name} has no policy\n`);
        return 1;
      }
      const { allow = [], deny = [] } = network;
      const shown = { default: normalizePolicy(network).default, allow, deny, denied };
      print(1, `${JSON.stringify(shown, undefined, 4)}\n`);
      return 0;
    } catch (error) {
      await complain(error);
      return 1;
    }
  });
}
