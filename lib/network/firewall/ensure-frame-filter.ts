/** The table `bridge caisson` (frame-ruleset.ts), if this kernel can have it. */
import { CaissonError } from '../../base/errors.js';
import { type NetlinkOptions, requestNetlink } from '../netlink/request.js';
import { isUnchanged, type Moment, momentOf } from './foreign-changes.js';
import { areFrameRulesCurrent, FRAME_TABLE, frameTableMessages } from './frame-ruleset.js';
import { listRules } from './nft-listing.js';
import { deleteTable } from './nft-chains.js';
import { addChain, addTable, batch, type Table } from './nft-messages.js';

/**
 * Makes the table if it is missing, or has other rules. It may be called for each start, and by several processes at once.
 *
 * @param made called when it had to be made: containers that run may have had elements in it
 * @param moment of the call, if it is known
 * @returns false: the kernel has no nf_tables for bridges (CONFIG_NF_TABLES_BRIDGE)
 * @throws ERR_NETWORK_FAILED
 */
export async function ensureFrameFilter(
  options: NetlinkOptions = {},
  made?: () => Promise<unknown>,
  moment?: Moment,
): Promise<boolean> {
  // The shared network of a rootless user may be another one the next time.
  const isShared = options.userNetwork !== undefined;
  const before = isShared ? undefined : (moment ?? (await momentOf(options)));
  if (
    before !== undefined &&
    lastFound !== undefined &&
    lastFound.namespace === options.namespace &&
    isUnchanged(lastFound.moment, before)
  )
    return true;
  if (areFrameRulesCurrent(await listRules(options, FRAME_TABLE))) {
    if (before !== undefined) lastFound = { moment: before, namespace: options.namespace };
    return true;
  }
  try {
    await requestNetlink(batch(frameTableMessages()), options);
  } catch (error) {
    if (error instanceof CaissonError && isWithoutBridges(error)) return false;
    throw error;
  }
  await made?.();
  return true;
}

/** When the rules were found the last time. */
let lastFound:
  { readonly moment: Moment; readonly namespace: NetlinkOptions['namespace'] } | undefined;

/** The table is refused, or its first chain or rule, if a module is missing: nf_tables_bridge, nft_meta_bridge. */
function isWithoutBridges({ errno, message }: CaissonError): boolean {
  const { family } = FRAME_TABLE;
  return (
    (errno === 'EOPNOTSUPP' || errno === 'ENOENT') &&
    ['table', 'chain', 'rule'].some((kind) => message.includes(`add ${kind} ${family} `))
  );
}

/** Whether the kernel has it, by a table that is made and removed at once. @throws ERR_NETWORK_FAILED for another reason */
export async function hasFrameFilter(): Promise<boolean> {
  const table: Table = { family: FRAME_TABLE.family, name: 'caisson-probe' };
  const chain = { name: 'probe', type: 'filter', hook: 'prerouting', priority: [0, '0'] } as const;
  try {
    await requestNetlink(batch([addTable(table), addChain(table, chain), deleteTable(table)]));
    return true;
  } catch (error) {
    if (error instanceof CaissonError && isWithoutBridges(error)) return false;
    throw error;
  }
}

/** What a policy needs. */
export function withoutFrameFilter(): CaissonError {
  return new CaissonError(
    'ERR_KERNEL_FEATURE_MISSING',
    'network: this kernel cannot keep a container from using the addresses of others, so a policy would have no effect',
    {
      stage: 'config',
      path: 'network',
      hint: 'a kernel with CONFIG_NF_TABLES_BRIDGE=y',
    },
  );
}
