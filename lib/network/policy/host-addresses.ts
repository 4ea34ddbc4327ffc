/**
 * The machine's addresses, for policies in the shared network of a rootless user: what pasta passes on to one of them comes to
 * the machine itself, and the kernel does not know that there.
 */
import { type Block, blockAround, containsBlock, lastOf } from '../../base/cidr.js';
import { errnoName } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';
import { addressText } from '../../base/ip-address.js';
import { familyKey, type IpFamily } from '../firewall/nft-expressions.js';
import { addElements, batch, concatenation, type Element, flushElements } from '../firewall/nft-messages.js'; // prettier-ignore
import { generation } from '../firewall/nft-listing.js';
import { SET, TABLE } from '../firewall/ruleset.js';
import { NETLINK } from '../netlink/message.js';
import { dumpNetlink, type NetlinkOptions, requestNetlink } from '../netlink/request.js';
import { decodeOwnRoute, GET_ROUTES } from '../netlink/rtnetlink.js';

const FAMILIES = { ipv4: 4, ipv6: 6 } as const;
const SETS = { ipv4: SET.host4.name, ipv6: SET.host6.name } as const;

/**
 * Tells the firewall of a shared network which addresses this machine has now. Its table has to be there. Nothing is done for
 * other networks: what they are in has these addresses itself.
 *
 * @throws ERR_NETWORK_FAILED
 */
export async function tellHostAddresses(options: NetlinkOptions): Promise<void> {
  if (options.userNetwork === undefined) return;
  for (let attempt = 1; ; attempt++) {
    // The holder of the network writes these sets, too (cpp/agent/host_addresses.cpp), each time that addresses change: what it has
    // written is not replaced by what was read before.
    const before = await generation(options);
    const blocks = await ownBlocks();
    const changes = (['ipv4', 'ipv6'] as const).flatMap((family) => [
      flushElements(TABLE, SETS[family]),
      ...addElements(TABLE, SETS[family], elementsOf(blocks, family)),
    ]);
    try {
      return await requestNetlink(batch(changes, before), options);
    } catch (error) {
      const changed = error instanceof CaissonError && error.errno === ERESTART;
      if (!changed || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Each other change of the ruleset makes another attempt necessary: it takes a millisecond. */
const ATTEMPTS = 100;
/** The number has no name in userspace. */
const ERESTART = errnoName(85);

/** Of the network namespace of this process, each address once: the kernel takes no ranges that overlap. */
async function ownBlocks(): Promise<Block[]> {
  const routes = (await dumpNetlink(NETLINK.route, GET_ROUTES)).flatMap(
    (message) => decodeOwnRoute(message) ?? [],
  );
  const blocks = routes.map(({ family, address, prefix }) =>
    blockAround({ family, value: BigInt(`0x${address.toString('hex')}`) }, prefix),
  );
  const widest = blocks.sort((a, b) => a.prefix - b.prefix);
  return widest.filter(
    (block, at) => !widest.slice(0, at).some((wider) => containsBlock(wider, block)),
  );
}

function elementsOf(blocks: readonly Block[], family: IpFamily): Element[] {
  return blocks.flatMap((block) => {
    if (block.family !== FAMILIES[family]) return [];
    const digits = family === 'ipv4' ? 8 : 32;
    const key = (value: bigint) => {
      const address = Buffer.from(value.toString(16).padStart(digits, '0'), 'hex');
      return { address, key: concatenation(familyKey(family), address) };
    };
    const [first, last] = [key(block.first), key(lastOf(block).value)];
    return [
      { key: first.key, keyEnd: last.key, text: `${family} . ${addressText(first.address)}/${block.prefix}` }, // prettier-ignore
    ];
  });
}
