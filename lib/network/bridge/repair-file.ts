/**
 * `<runRoot>/firewall`: a request that makes the tables of the firewall, with all networks in them. A supervisor that starts its
 * container again has only its container's part of it; it sends this when the tables are missing, as after `nft flush ruleset`
 * (cpp/steps/netlink_request.cpp). The rules that it makes are not current, so that the next start, or
 * `caisson network reload`, restores what other containers have had, too.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { CaissonError } from '../../base/errors.js';
import { storageError } from '../../base/storage.js';
import { closedFamilies } from '../firewall/closed-families.js';
import { networkMessages } from '../firewall/elements.js';
import { closingMessages } from '../firewall/ensure-firewall.js';
import { frameTableMessages } from '../firewall/frame-ruleset.js';
import { batch } from '../firewall/nft-messages.js';
import { tableMessages } from '../firewall/ruleset.js';
import type { NetlinkMessage } from '../netlink/message.js';
import { firewallOf } from './bridge-device.js';
import type { NetworkStore } from './network-store.js';
import type { StoredNetwork } from './stored-network.js';

/** Sets of one batch have different ids. */
const FIRST_FRAME_SET = 1000;

/** Whenever a network is made or removed, or its part of the firewall. @throws ERR_STORAGE */
export function writeRepairFile(networks: NetworkStore, filtersFrames: boolean): void {
  const { bytes } = batch([
    ...tableMessages({ incomplete: true }),
    ...(filtersFrames ? frameTableMessages({ incomplete: true, firstSet: FIRST_FRAME_SET }) : []),
    ...networks.stored().flatMap(messagesOf),
    ...closingMessages(closedFamilies(networks.closedFile)),
  ]);
  const staged = `${networks.repairFile}.${process.pid}`;
  try {
    writeFileSync(staged, bytes, { mode: 0o600 });
    renameSync(staged, networks.repairFile);
  } catch (error) {
    rmSync(staged, { force: true });
    throw storageError(networks.repairFile, error);
  }
}

/** None of a network whose file was edited wrongly. */
function messagesOf(network: StoredNetwork): NetlinkMessage[] {
  try {
    return networkMessages(firewallOf(network));
  } catch (error) {
    if (error instanceof CaissonError) return [];
    throw error;
  }
}
