/**
 * Whether others have changed nf_tables. Each change increases the kernel's generation of the ruleset, those of this process,
 * too: each container on a bridge is some elements of sets. A look at all rules for each start would be dear.
 */
import { loadNative } from '../../native/load.js';
import type { NetlinkOptions } from '../netlink/request.js';
import { generation } from './nft-listing.js';

/** The ruleset at one moment. */
export interface Moment {
  readonly generation: number;
  /** Changes of this process that are known to be among those of the generation. */
  readonly own: number;
  /** No other of them can be among these. */
  readonly exact: boolean;
}

/** How often it is asked again while this process is just making a change, which takes less time than a look at all rules. */
const ATTEMPTS = 8;

export async function momentOf(options: NetlinkOptions): Promise<Moment> {
  // Those in another network namespace are not counted.
  if (options.namespace !== undefined)
    return { generation: await generation(options), own: 0, exact: true };
  const binding = loadNative();
  for (let attempt = 1; ; attempt++) {
    const [begun, ended, own] = binding.netfilterRequests();
    const number = await generation(options);
    const exact = begun === ended && binding.netfilterRequests()[0] === begun;
    if (exact || attempt === ATTEMPTS) return { generation: number, own, exact };
  }
}

/**
 * @param then exact: otherwise a change of this process that was not counted yet could be taken for one of another's.
 * @returns false also if it is not known
 */
export function isUnchanged(then: Moment, now: Moment): boolean {
  return then.exact && now.generation === (then.generation + (now.own - then.own)) >>> 0;
}
