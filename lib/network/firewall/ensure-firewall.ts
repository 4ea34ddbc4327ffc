/** The firewall of a network, and all of the host that its packets pass. */
import { CaissonError } from '../../base/errors.js';
import type { NetlinkMessage } from '../netlink/message.js';
import { type NetlinkOptions, requestNetlink } from '../netlink/request.js';
import { type FirewallNetwork, networkMessages, removeNetworkRequest } from './elements.js';
import { addClosedFamilies, closedFamilies } from './closed-families.js';
import type { FirewallWarning } from './firewall-warning.js';
import { notForwarded, switchForwardingOn } from './forwarding.js';
import { familyKey, interfaceName, type IpFamily } from './nft-expressions.js';
import { isUnchanged, type Moment, momentOf } from './foreign-changes.js';
import { listElements, listRules } from './nft-listing.js';
import { addElements, batch } from './nft-messages.js';
import { leaveOtherFirewalls, passOtherFirewalls } from './other-firewalls.js';
import { areCurrent, CONSTANT_CHAINS, SET, TABLE, tableMessages } from './ruleset.js';

export interface ForwardedNetwork extends FirewallNetwork {
  /** Those that it has subnets of. */
  readonly families: readonly IpFamily[];
}

export interface FirewallOptions extends NetlinkOptions {
  /** Where it is kept which families the host forwards for containers alone (closed-families.ts). */
  readonly closedFile?: string | undefined;
}

/**
 * Makes what is missing: the table, the network in it, forwarding by the kernel, a place in the firewalls of others. It may be
 * called for each start, and by several processes at once.
 *
 * @param made called when something had to be made; with true: the table, in which others may have had something
 * @param moment of the call, if it is known
 * @returns why packets of its containers may not be forwarded nevertheless
 * @throws ERR_NETWORK_FAILED
 */
export async function ensureFirewall(
  network: ForwardedNetwork,
  options: FirewallOptions = {},
  made?: (table: boolean) => Promise<unknown>,
  moment?: Moment,
): Promise<FirewallWarning[]> {
  // The shared network of a rootless user forwards, and no other program has a firewall there. It may be another one the next
  // time, of which nothing is known.
  const isShared = options.userNetwork !== undefined;
  const off = network.internal || isShared ? [] : notForwarded(network.families);
  const before = isShared ? undefined : (moment ?? (await momentOf(options)));
  const key = JSON.stringify([network, options.namespace]);
  const found = lastFound.get(key);
  if (
    found !== undefined &&
    before !== undefined &&
    off.length === 0 &&
    isUnchanged(found.moment, before)
  )
    return found.warnings;
  const { warnings, table, element } = await makeMissing(network, off, options);
  if (table || element) await made?.(table);
  // What was made just now counts as a change of this process.
  if (off.length === 0 && before !== undefined) lastFound.set(key, { moment: before, warnings });
  return warnings;
}

/** What was found when nothing was missing, by network: a host may have thousands of rules to look through. */
const lastFound = new Map<
  string,
  { readonly moment: Moment; readonly warnings: FirewallWarning[] }
>();

async function makeMissing(
  network: ForwardedNetwork,
  off: readonly IpFamily[],
  options: FirewallOptions,
): Promise<{
  readonly warnings: FirewallWarning[];
  readonly table: boolean;
  readonly element: boolean;
}> {
  const [missing, others] = await Promise.all([
    missingOf(network, options),
    network.internal || options.userNetwork !== undefined
      ? []
      : passOtherFirewalls(network, options),
  ]);
  const { closedFile } = options;
  if (closedFile !== undefined && off.length > 0) addClosedFamilies(closedFile, off);
  const before = closedFile === undefined || missing.table.length === 0 ? [] : closedFamilies(closedFile); // prettier-ignore
  const closed = closingMessages([...new Set([...before, ...off])]);
  const messages = [...missing.table, ...missing.network, ...closed];
  // Before the switch: other networks of the host stay closed to each other.
  if (messages.length > 0) await requestNetlink(batch(messages), options);
  const failed = await switchForwardingOn(off);
  return {
    warnings: [...failed.map(({ family, command }) => notSwitched(family, command)), ...others],
    table: missing.table.length > 0,
    element: missing.network.length > 0,
  };
}

async function missingOf(
  network: FirewallNetwork,
  options: NetlinkOptions,
): Promise<Readonly<Record<'table' | 'network', NetlinkMessage[]>>> {
  const [rules, bridges] = await Promise.all([
    Promise.all(CONSTANT_CHAINS.map((chain) => listRules(options, TABLE, chain))),
    listElements(options, TABLE, SET.networks.name),
  ]);
  const key = interfaceName(network.bridge);
  return {
    table: areCurrent(rules.flat()) ? [] : tableMessages(),
    network: bridges.some((each) => each.key.equals(key)) ? [] : networkMessages(network),
  };
}

/** The host becomes no router between its other networks, as with Docker. */
export function closingMessages(families: readonly IpFamily[]): NetlinkMessage[] {
  const elements = families.map((family) => ({ key: familyKey(family), text: family }));
  return addElements(TABLE, SET.closed.name, elements);
}

function notSwitched(family: IpFamily, command: string): FirewallWarning {
  const name = family === 'ipv4' ? 'IPv4' : 'IPv6';
  return {
    message: `packets of containers are not forwarded: forwarding of ${name} is off, and cannot be switched on`,
    hint: `as root of the machine: ${command}`,
  };
}

/** The counterpart, for a network that is removed. @throws ERR_NETWORK_FAILED */
export async function removeFromFirewall(
  bridge: string,
  options: NetlinkOptions = {},
): Promise<void> {
  try {
    await requestNetlink(removeNetworkRequest(bridge), options);
    await leaveOtherFirewalls(bridge, options);
  } catch (error) {
    // No table, or no nf_tables.
    if (error instanceof CaissonError && NOTHING_THERE.has(error.errno)) return;
    throw error;
  }
}

const NOTHING_THERE: ReadonlySet<string | undefined> = new Set([
  'ENOENT',
  'EPROTONOSUPPORT',
  'EOPNOTSUPP',
]);
