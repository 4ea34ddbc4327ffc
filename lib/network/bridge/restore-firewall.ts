/** The firewall of all networks and containers that are there, after another program has removed it. */
import { isDeepStrictEqual } from 'node:util';
import { CaissonError } from '../../base/errors.js';
import { shortId } from '../../base/ids.js';
import { publishMessages, unpublishMessages } from '../firewall/elements.js';
import { ensureFirewall } from '../firewall/ensure-firewall.js';
import { ensureFrameFilter } from '../firewall/ensure-frame-filter.js';
import type { FirewallWarning } from '../firewall/firewall-warning.js';
import { addFramePort, liftFramePort, removeFramePort } from '../firewall/frame-elements.js';
import { batch } from '../firewall/nft-messages.js';
import type { NetlinkMessage } from '../netlink/message.js';
import { requestNetlink } from '../netlink/request.js';
import { changeMessages, removePolicyMessages, type Restricted } from '../policy/policy-requests.js'; // prettier-ignore
import { claimsOf, isHeld } from './addresses.js';
import type { ClaimContext } from './claim-context.js';
import { findDevice, firewallOf } from './bridge-device.js';
import { type Endpoint, framePort, macOf, sourcesOf } from './endpoint.js';
import { heldAddress } from './held-address.js';
import { allPlugs, type Plug } from './plugs.js';
import { type Publication, readPublication } from './publication.js';
import type { StoredNetwork } from './stored-network.js';

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

/** An interface that is there. */
interface Found {
  readonly network: StoredNetwork;
  readonly plug: Plug;
}

async function restore(context: ClaimContext): Promise<FirewallWarning[]> {
  const { networks } = context;
  const { netlink } = networks;
  const warnings: FirewallWarning[] = [];
  const filtersFrames = await ensureFrameFilter(netlink);
  const plugs = await allPlugs(netlink);
  const found = new Map<string, Found[]>();
  for (const network of networks.stored()) {
    const bridge = await findDevice(network.bridge, netlink);
    if (bridge === undefined) continue;
    warnings.push(
      ...(await ensureFirewall(firewallOf(network), {
        ...netlink,
        closedFile: networks.closedFile,
      })),
    );
    const held = new Set<string>();
    for (const claim of claimsOf(networks, network.id))
      if (await isHeld(context, claim)) held.add(claim.containerId);
    for (const id of held) {
      // Without an interface it is just being started, or torn down.
      const plug = plugs.find((each) => each.bridge === bridge.index && each.shortId === shortId(id)); // prettier-ignore
      if (plug !== undefined) found.set(id, [...(found.get(id) ?? []), { network, plug }]);
    }
  }
  for (const [id, each] of found) await restoreContainer(context, id, each, filtersFrames);
  return warnings;
}

/** What a container has on a bridge. */
type FoundEndpoint = Pick<Endpoint, 'network' | 'at' | 'ipv4' | 'ipv6' | 'mac' | 'linkLocal'>;

async function restoreContainer(
  context: ClaimContext,
  id: string,
  found: readonly Found[],
  filtersFrames: boolean,
): Promise<void> {
  const { netlink } = context.networks;
  let gone: FoundEndpoint[] = [];
  // Of the last time: what the teardown has removed since is not known from the files any more.
  let last: { publication?: Publication | undefined; endpoints: readonly FoundEndpoint[] } = {
    endpoints: [],
  };
  for (;;) {
    const publication = readPublication(context.networks, id);
    const all = found.flatMap((each) => endpointOf(context, id, each, publication) ?? []);
    const endpoints = all.filter((each) => !gone.some(({ at }) => at === each.at));
    const isThere = ({ at }: FoundEndpoint) =>
      [...endpoints, ...gone].some((each) => each.at === at);
    gone = [...gone, ...last.endpoints.filter((each) => !isThere(each))];
    const restored = { id, publication, endpoints, gone, filtersFrames };
    if (endpoints.length === 0)
      return removeEndpoints(context, { ...restored, publication: last.publication });
    await restoreEndpoints(context, restored);
    last = { publication, endpoints };
    // What takes an interface away takes it off its bridge first, and then removes what the firewall has of it.
    const attached = new Set((await allPlugs(netlink)).flatMap(({ name, bridge }) => (bridge === undefined ? [] : [name]))); // prettier-ignore
    const left = endpoints.filter((each) => !attached.has(framePort(each, shortId(id)).port));
    gone = [...gone, ...left];
    // A policy is changed in this file first, and then in the kernel.
    if (left.length === 0 && isDeepStrictEqual(readPublication(context.networks, id), publication))
      return;
  }
}

/** Undefined: its address was released meanwhile. */
function endpointOf(
  { networks }: ClaimContext,
  id: string,
  { network, plug: { at } }: Found,
  publication: Publication | undefined,
): FoundEndpoint | undefined {
  const ipv4 = heldAddress(networks, network, 4, id);
  if (ipv4 === undefined) return undefined;
  const asked = publication?.asked[network.id] ?? { mac: macOf(ipv4.address), linkLocal: [] };
  return { network, at, ipv4, ipv6: heldAddress(networks, network, 6, id), ...asked };
}

interface Restored {
  readonly id: string;
  readonly publication: Publication | undefined;
  readonly endpoints: readonly FoundEndpoint[];
  /** Restored before it was seen that they are gone. */
  readonly gone: readonly FoundEndpoint[];
  readonly filtersFrames: boolean;
}

/** Elements that are there already stay. */
async function restoreEndpoints(context: ClaimContext, restored: Restored): Promise<void> {
  const { id, publication, endpoints, gone, filtersFrames } = restored;
  const { policy, addresses, ports = [] } = publication ?? {};
  const send = sender(context);
  const lift = policy === undefined ? () => [] : liftFramePort;
  const port = (endpoint: FoundEndpoint) => framePort(endpoint, shortId(id));
  if (filtersFrames)
    await send([
      ...gone.map(port).flatMap(removeFramePort),
      ...endpoints.map(port).flatMap((each) => [...addFramePort(each), ...lift(each)]),
    ]);
  if (policy !== undefined) {
    await send(changeMessages(restrictedOf(id, endpoints), policy, gone.flatMap(sourcesOf)));
    if (policy.allow.names.length > 0) await context.reopenNames?.(id, policy);
  }
  if (addresses !== undefined)
    for (const each of ports) await send(publishMessages(addresses, [each]));
}

/** The container has ended, and its teardown may have come first. */
async function removeEndpoints(
  context: ClaimContext,
  { id, publication, gone, filtersFrames }: Restored,
): Promise<void> {
  if (gone.length === 0) return;
  const { policy, addresses, ports = [] } = publication ?? {};
  const send = sender(context);
  if (filtersFrames) await send(gone.flatMap((each) => removeFramePort(framePort(each, shortId(id))))); // prettier-ignore
  if (policy !== undefined) await send(removePolicyMessages(restrictedOf(id, gone)));
  if (addresses !== undefined)
    for (const each of ports) await send(unpublishMessages(addresses, [each]));
}

function restrictedOf(id: string, endpoints: readonly FoundEndpoint[]): Restricted {
  return { shortId: shortId(id), sources: endpoints.flatMap(sourcesOf) };
}

/** Of what another container has by now, as this one has just ended, nothing is changed. */
function sender({ networks }: ClaimContext) {
  return async (messages: readonly NetlinkMessage[]): Promise<void> => {
    try {
      await requestNetlink(batch(messages), networks.netlink);
    } catch (error) {
      if (!(error instanceof CaissonError && TAKEN.has(error.errno))) throw error;
    }
  };
}

const TAKEN: ReadonlySet<string | undefined> = new Set(['EEXIST', 'EBUSY']);
