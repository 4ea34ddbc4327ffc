/** Messages for chains that packets come to from other chains, and for the removal of chains and sets. */
import { attribute, type NetlinkMessage, NLM_F, text } from '../netlink/message.js';
import { NFT_MSG, NFTA, nftables, type Table } from './nft-messages.js';

/** No error if there is one. */
export function addPlainChain(table: Table, name: string): NetlinkMessage {
  return chainMessage(NFT_MSG.newChain, NLM_F.create, 'add', table, name);
}

/** With its rules. @throws at the kernel ENOENT; EBUSY if packets are sent there by another chain, or by an element of a map */
export function deleteChain(table: Table, name: string): NetlinkMessage {
  return chainMessage(NFT_MSG.delChain, 0, 'delete', table, name);
}

function chainMessage(type: number, flags: number, verb: string, table: Table, name: string) {
  return nftables(
    type,
    table.family,
    flags,
    `${verb} chain ${table.family} ${table.name} ${name}`,
    attribute(NFTA.chain.table, text(table.name)),
    attribute(NFTA.chain.name, text(name)),
  );
}

/** With all that is in it. @throws at the kernel ENOENT */
export function deleteTable(table: Table): NetlinkMessage {
  const name = attribute(NFTA.tableName, text(table.name));
  return nftables(NFT_MSG.delTable, table.family, 0, `delete table ${table.family} ${table.name}`, name); // prettier-ignore
}

/** With its elements. @throws at the kernel ENOENT; EBUSY if a rule uses it */
export function deleteSet(table: Table, name: string): NetlinkMessage {
  return nftables(
    NFT_MSG.delSet,
    table.family,
    0,
    `delete set ${table.family} ${table.name} ${name}`,
    attribute(NFTA.set.table, text(table.name)),
    attribute(NFTA.set.name, text(name)),
  );
}
