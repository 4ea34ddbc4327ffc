/** The firewall of all networks and containers that are there, after another program has removed it. */
import { CaissonError } from '../../base/errors.js';
import { loadNative } from '../../native/load.js';
import { publishRequest } from '../firewall/elements.js';
import { ensureFirewall } from '../firewall/ensure-firewall.js';
import type { FirewallWarning } from '../firewall/firewall-warning.js';
import { requestNetlink } from '../netlink/request.js';
import { type ClaimContext, claimsOf, isHeld } from './addresses.js';
import { firewallOf } from './bridge-device.js';
import { publishers, readPublication } from './publication.js';

/**
 * Makes what is missing: of `nft flush ruleset`, and of services that load other rules in this way.
 *
 * @returns why packets may not be forwarded nevertheless
 * @throws ERR_NETWORK_FAILED
 */
export async function restoreFirewall(context: ClaimContext): Promise<FirewallWarning[]> {
  // No network of these is removed meanwhile.
  return context.networks.locked(() => restore(context));
}

async function restore(context: ClaimContext): Promise<FirewallWarning[]> {
  const { networks } = context;
  const warnings: FirewallWarning[] = [];
  const live = new Set<string>();
  for (const network of networks.stored()) {
    if (loadNative().linkIndex(network.bridge) === 0) continue;
    warnings.push(...(await ensureFirewall(firewallOf(network))));
    for (const claim of claimsOf(networks, network.id))
      if (await isHeld(context, claim)) live.add(claim.containerId);
  }
  for (const id of publishers(networks)) if (live.has(id)) await publishAgain(context, id);
  return warnings;
}

/** An element that is there already stays. */
async function publishAgain({ networks }: ClaimContext, id: string): Promise<void> {
  const publication = readPublication(networks, id);
  if (publication === undefined) return;
  const { addresses, ports } = publication;
  for (const port of ports) {
    try {
      await requestNetlink(publishRequest(addresses, [port]));
    } catch (error) {
      // The container has just ended, and another one has the port.
      if (!(error instanceof CaissonError && TAKEN.has(error.errno))) throw error;
    }
  }
  // It may have ended in between, and its teardown come first.
  if (readPublication(networks, id) !== undefined) return;
  const { unpublishAddresses } = await import('../firewall/unpublish-addresses.js');
  await unpublishAddresses([addresses.ipv4, addresses.ipv6].filter((each) => each !== undefined));
}

const TAKEN: ReadonlySet<string | undefined> = new Set(['EEXIST', 'EBUSY']);
