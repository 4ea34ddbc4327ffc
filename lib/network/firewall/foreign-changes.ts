/**
 * Whether others have changed nf_tables. Each change increases the kernel's generation of the ruleset, those of this process,
 * too: each container on a bridge is some elements of sets. A look at all rules for each start would be dear.
 */
import { loadNative } from '../../native/load.js';
import type { NetlinkOptions } from '../netlink/request.js';
import { ASK_GENERATION, generation } from './nft-listing.js';

/** The ruleset at one moment. */
export interface Moment {
  readonly generation: number;
  /** Changes of this process that are known to be among those of the generation. */
  readonly own: number;
  /** No other of them can be among these. */
  readonly exact: boolean;
}

export async function momentOf(options: NetlinkOptions): Promise<Moment> {
  // Changes in another network namespace are not counted.
  if (options.namespace !== undefined)
    return { generation: await generation(options), own: 0, exact: true };
  const known = loadNative().netfilterMoment(ASK_GENERATION.bytes);
  // The other way says why.
  if (known === undefined) return { generation: await generation(options), own: 0, exact: false };
  const [number, own, exact] = known;
  return { generation: number, own, exact };
}

/**
 * @param then exact: otherwise a change of this process that was not counted yet could be taken for one of another's.
 * @returns false also if it is not known
 */
export function isUnchanged(then: Moment, now: Moment): boolean {
  return then.exact && now.generation === (then.generation + (now.own - then.own)) >>> 0;
}
