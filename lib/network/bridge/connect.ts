/** Connecting a container to networks before it is started: its addresses are claimed, and the bridges are there. */
import { isIPv6 } from 'node:net';
import { shortId } from '../../base/ids.js';
import { conflicting } from '../../base/check.js';
import { loadNative } from '../../native/load.js';
import type { BridgePlan, Claim, FramePlan, PolicyPlan } from '../../program/network-plan.js';
import type { EndpointConfig } from './endpoint-config.js';
import { type AddressClaim, claimAddress, possibleAddress, releaseAddress } from './addresses.js';
import type { ClaimContext } from './claim-context.js';
import { checkForwarded } from '../firewall/check-forwarded.js';
import { chooseHostPorts } from '../firewall/choose-ports.js';
import { ensureFrameFilter, withoutFrameFilter } from '../firewall/ensure-frame-filter.js';
import { ensureFirewall } from '../firewall/ensure-firewall.js';
import { type Moment, momentOf } from '../firewall/foreign-changes.js';
import { addFramePort, removeFramePort, liftFramePort } from '../firewall/frame-elements.js';
import type { FirewallWarning } from '../firewall/firewall-warning.js';
import { batch } from '../firewall/nft-messages.js';
import { publishRequest, removeAnyAt, unpublishRequest } from '../firewall/elements.js';
import { canForgetFlows, forgetFlowsOf, forgetFlowsTo } from '../firewall/tracked-flows.js';
import {
  bindingText,
  claimsOf,
  encodeClaims,
  encodeForwards,
  type PortBinding,
  type PublishedPort,
} from '../firewall/port-bindings.js';
import { publicationFile, publicationOf, removePublication, replacePublication, writePublication } from './publication.js'; // prettier-ignore
import { writeRepairFile } from './repair-file.js';
import { restoreFirewall } from './restore-firewall.js';
import { ensureBridge, firewallOf, linkIndex } from './bridge-device.js';
import { bridgeSettings } from './bridge-options.js';
import { deniedRequests } from '../policy/denied.js';
import { tellHostAddresses } from '../policy/host-addresses.js';
import { familiesOf, policyRequest, removePolicyRequest } from '../policy/policy-requests.js';
import type { NetworkPolicy } from '../policy/rules.js';
import {
  addressesOf,
  type Endpoint,
  framePort,
  macOf,
  planBridges,
  sourcesOf,
} from './endpoint.js';
import type { NetworkStore } from './network-store.js';
import { gatewaysOf, publishedAddresses } from './gateways.js';
import { heldAddress } from './held-address.js';
import { type Plug, plugsOf } from './plugs.js';
import { type AnyNetwork, isStored, type StoredNetwork } from './stored-network.js';

/** What `planConnection` makes a plan of. */
export interface Connected {
  readonly endpoints: readonly Endpoint[];
  readonly opened: Opened;
}

export interface Connection extends Connected {
  /** Why its packets may not be forwarded nevertheless. */
  readonly warnings: readonly FirewallWarning[];
  /** Gives the addresses back; also after the teardown has. */
  release(): void;
}

/**
 * @param id long id of the container
 * @param kept it runs: the ports that are published to it. It keeps these, and the addresses that it has
 * @throws ERR_NO_SUCH_NETWORK, ERR_CONFLICTING_OPTIONS, ERR_INVALID_OPTION, ERR_ADDRESS_IN_USE, ERR_ADDRESSES_EXHAUSTED,
 *   ERR_NETWORK_FAILED, ERR_SUBNET_OVERLAP, ERR_STORAGE: then nothing stays claimed
 */
export async function connect(
  context: ClaimContext,
  id: string,
  configs: readonly EndpointConfig[],
  bindings: readonly PortBinding[],
  policy?: NetworkPolicy,
  kept?: readonly PublishedPort[],
): Promise<Connection> {
  const { netlink } = context.networks;
  if (netlink.userNetwork !== undefined) checkForwarded(bindings);
  const claimed: AddressClaim[] = [];
  const release = () => {
    claimed.forEach(releaseAddress);
    if (kept === undefined) removePublication(context.networks, id);
  };
  const warnings: FirewallWarning[] = [...((await netlink.userNetwork?.recover()) ?? [])];
  const firewall = { ...netlink, closedFile: context.networks.closedFile };
  let moment: Moment | undefined;
  let filtering: Promise<boolean> | undefined;
  const repairs = repairsOf(context);
  try {
    const endpoints: Endpoint[] = [];
    const plugs = kept === undefined ? [] : await plugsOf(shortId(id), netlink);
    for (const config of configs) {
      const network = checkNetwork(await context.networks.use(config.network), config, endpoints);
      if (!isStored(network)) throw new Error(`the network ${network.name} has no subnet`);
      const bridgeIndex = await ensureBridge(context.networks, network);
      // Before anything is claimed: the options of a file that was edited may be wrong.
      const wanted = firewallOf(network);
      moment ??= netlink.userNetwork === undefined ? await momentOf(netlink) : undefined;
      filtering ??= ensureFrameFilter(netlink, repairs.frames, moment);
      filtering.catch(() => undefined); // it is awaited below, unless something else fails before
      const [endpoint, found] = await bothOf(
        endpointOf(
          config,
          network,
          { bridgeIndex, at: numberFor(bridgeIndex, plugs, endpoints) },
          async (family, wanted) => {
            // prettier-ignore
            const held = kept && heldAddress(context.networks, network, family, id);
            if (held !== undefined) return held;
            const address = await claimAddress(context, network, family, id, wanted);
            claimed.push(address);
            return address;
          },
        ),
        // Each time: a process that loads other rules may have flushed these.
        ensureFirewall(wanted, firewall, (table) => repairs.packets(table, filtering), moment),
      );
      endpoints.push(endpoint);
      warnings.push(...found);
    }
    const filtersFrames = (await filtering) ?? false;
    if (policy !== undefined && !filtersFrames) throw withoutFrameFilter();
    if (policy !== undefined) await tellHostAddresses(netlink);
    const addresses = publishedAddresses(endpoints);
    if (kept === undefined && netlink.userNetwork === undefined) checkFamilies(bindings, addresses);
    const ports =
      kept ??
      (bindings.length === 0 ? [] : await chooseHostPorts(addresses, onHost(endpoints, bindings)));
    const publication = publicationOf(endpoints, { addresses, ports, policy });
    const write = kept === undefined ? writePublication : replacePublication;
    if (publication !== undefined) write(context.networks, id, publication);
    else if (kept !== undefined) removePublication(context.networks, id);
    const forgetsFlows = await forgets(context, ports);
    const isPublished = publication !== undefined;
    const opened = { ports, isPublished, policy, filtersFrames, forgetsFlows };
    return { endpoints, opened, warnings, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** What follows when something of the firewall had to be made: of containers that run it may have had more. */
function repairsOf(context: ClaimContext) {
  const { networks } = context;
  const isShared = networks.netlink.userNetwork !== undefined;
  let restored: Promise<unknown> | undefined;
  const restoreAll = async () => {
    await restoreFirewall(context);
    await tellHostAddresses(networks.netlink);
  };
  const restore = () => (restored ??= restoreAll());
  return {
    frames: restore,
    async packets(table: boolean, filtering: Promise<boolean> | undefined) {
      const filters = (await filtering) ?? false;
      if (!isShared) await networks.locked(() => writeRepairFile(networks, filters));
      if (table) await restore();
    },
  };
}

/** The same without making or claiming anything: with addresses that it could have. @throws as `connect` */
export async function possibleConnection(
  context: ClaimContext,
  id: string,
  configs: readonly EndpointConfig[],
  bindings: readonly PortBinding[],
  policy?: NetworkPolicy,
): Promise<Connection> {
  if (context.networks.netlink.userNetwork !== undefined) checkForwarded(bindings);
  const endpoints: Endpoint[] = [];
  for (const config of configs) {
    const found = checkNetwork(context.networks.find(config.network), config, endpoints);
    const network = isStored(found) ? found : { ...EXAMPLE, id: found.id };
    const bridgeIndex = linkIndex(network.bridge, context.networks.netlink);
    endpoints.push(
      await endpointOf(config, network, { bridgeIndex, at: endpoints.length }, (family, wanted) =>
        possibleAddress(context, network, family, id, wanted),
      ),
    );
  }
  const ports = bindings.filter((binding) => typeof binding.hostPort === 'number');
  const opened = {
    ports: ports as readonly PublishedPort[],
    isPublished: false,
    policy,
    filtersFrames: true,
    forgetsFlows: true,
  };
  return { endpoints, opened, warnings: [], release: () => undefined };
}

function forgets({ networks }: ClaimContext, ports: readonly PublishedPort[]): Promise<boolean> {
  const hasFlows = ports.some(({ protocol }) => protocol === 'udp');
  return hasFlows ? canForgetFlows(networks.netlink) : Promise.resolve(false);
}

/** As the network `bridge` will be on most machines. */
const EXAMPLE: StoredNetwork = {
  version: 1,
  id: '',
  name: 'bridge',
  driver: 'bridge',
  created: '',
  bridge: 'caisson0',
  ipv4: { subnet: '172.17.0.0/16', gateway: '172.17.0.1' },
  internal: false,
  attachable: false,
  labels: {},
  options: {},
};

/** The number of the interface that it has in this network, or the next one that is free. */
function numberFor(bridge: number, plugs: readonly Plug[], others: readonly Endpoint[]): number {
  const present = plugs.find((plug) => plug.bridge === bridge);
  if (present !== undefined) return present.at;
  const taken = new Set([...plugs, ...others].map(({ at }) => at));
  let at = 0;
  while (taken.has(at)) at++;
  return at;
}

type Claiming = (family: 4 | 6, wanted: string | undefined) => AddressClaim | Promise<AddressClaim>;

async function endpointOf(
  { ip, ip6, mac, linkLocal, priority }: EndpointConfig,
  network: StoredNetwork,
  place: Pick<Endpoint, 'bridgeIndex' | 'at'>,
  claim: Claiming,
): Promise<Endpoint> {
  const ipv4 = await claim(4, ip);
  const ipv6 = network.ipv6 === undefined ? undefined : await claim(6, ip6);
  const hairpin = bridgesCallFirewall();
  const own = mac ?? macOf(ipv4.address);
  return { ...place, network, hairpin, ipv4, ipv6, mac: own, linkLocal, priority };
}

/** What of a container's connections the firewall lets through. Plain data. */
export interface Opened {
  readonly ports: readonly PublishedPort[];
  /** The teardown removes its publication (publication.ts). */
  readonly isPublished: boolean;
  readonly policy: NetworkPolicy | undefined;
  readonly filtersFrames: boolean;
  /** Flows of UDP that are older than a published port, or than the end of its container. */
  readonly forgetsFlows: boolean;
}

/** What its launch program does. It follows from nothing but the arguments. @param id long id of the container */
export function planConnection(
  networks: NetworkStore,
  id: string,
  { endpoints, opened }: Connected,
): BridgePlan {
  const { ports, isPublished, policy, filtersFrames, forgetsFlows } = opened;
  const claims: Claim[] = endpoints
    .flatMap(addressesOf)
    .map(({ file, directory }) => ({ file, directory }));
  // With the addresses, in the teardown: until then what is flushed may be made again.
  if (isPublished) claims.push(publicationFile(networks, id));
  const { netlink, repairFile } = networks;
  const plan: BridgePlan = {
    ...planBridges(shortId(id), endpoints, claims),
    ...(netlink.userNetwork === undefined ? { repairFile } : {}),
    ...(filtersFrames ? { frames: framePlan(id, endpoints, policy !== undefined) } : {}),
    ...(policy === undefined ? {} : { policy: policyPlan(id, endpoints, policy) }),
  };
  if (endpoints.length === 0 || ports.length === 0) return plan;
  const addresses = publishedAddresses(endpoints);
  const forwards = netlink.userNetwork !== undefined;
  const publishing = {
    sockets: forwards
      ? // Nothing outside reaches an internal network.
        encodeForwards(addresses, ports, gatewaysOf(endpoints).ipv4 !== undefined)
      : encodeClaims(ports.flatMap((port) => claimsOf(addresses, port))),
    forwards,
    others: removeAnyAt(addresses, ports),
    publish: publishRequest(addresses, ports),
    unpublish: unpublishRequest(addresses, ports),
    ...(forgetsFlows
      ? {
          forgetBefore: forgetFlowsTo(addresses, ports),
          forgetAfter: forgetFlowsOf(addresses, ports),
        }
      : {}),
  };
  return { ...plan, published: publishing };
}

function policyPlan(id: string, endpoints: readonly Endpoint[], policy: NetworkPolicy): PolicyPlan {
  const restricted = { shortId: shortId(id), sources: endpoints.flatMap(sourcesOf) };
  return {
    add: policyRequest(restricted, policy),
    remove: removePolicyRequest(restricted),
    denied: deniedRequests(restricted.shortId, familiesOf(restricted)),
  };
}

function framePlan(id: string, endpoints: readonly Endpoint[], restricted: boolean): FramePlan {
  const ports = endpoints.map((endpoint) => framePort(endpoint, shortId(id)));
  return {
    add: batch(ports.flatMap((port) => [...addFramePort(port), ...(restricted ? liftFramePort(port) : [])])), // prettier-ignore
    remove: batch(ports.flatMap(removeFramePort)),
  };
}

/** The character 1. */
const ON = 0x31;
const CALL_FIREWALL = '/proc/sys/net/bridge/bridge-nf-call-iptables';

/** As with Docker and kube-proxy: br_netfilter is loaded, and not switched off. */
function bridgesCallFirewall(): boolean {
  return loadNative().firstByte(CALL_FIREWALL) === ON;
}

/** Of both, also where one fails: what the other one has claimed by then must be known. */
async function bothOf<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
}

/** The kernel does not translate IPv6 to IPv4: a port that was asked for by an IPv6 address would lead nowhere. */
function checkFamilies(
  bindings: readonly PortBinding[],
  { ipv6 }: ReturnType<typeof publishedAddresses>,
): void {
  const unfit = bindings.find(({ hostIp = '' }) => ipv6 === undefined && isIPv6(hostIp));
  if (unfit !== undefined)
    throw conflicting(
      'ports',
      `${bindingText(unfit)}: the container has no IPv6 address`,
      'a network that has IPv6: `caisson network create --ipv6`',
    );
}

/** A network may say on which address of the host its containers publish by default. */
function onHost(
  endpoints: readonly Endpoint[],
  bindings: readonly PortBinding[],
): readonly PortBinding[] {
  const { ipv4: endpoint = endpoints[0] } = gatewaysOf(endpoints);
  const hostBinding = endpoint && bridgeSettings(endpoint.network).hostBinding;
  if (hostBinding === undefined || hostBinding === '0.0.0.0') return bindings;
  return bindings.map((binding) => ({ ...binding, hostIp: binding.hostIp ?? hostBinding }));
}

function checkNetwork(
  network: AnyNetwork,
  { network: name, ip6 }: EndpointConfig,
  others: readonly Endpoint[],
): AnyNetwork {
  // By a name and by an id.
  if (others.some((other) => other.network.id === network.id))
    throw conflicting('networks', `network "${name}" is specified multiple times`);
  if (network.driver !== 'bridge')
    throw conflicting('network', `${name} is the network "${network.name}"`, `network: "${network.name}"`); // prettier-ignore
  if (ip6 !== undefined && (!isStored(network) || network.ipv6 === undefined))
    throw conflicting('ip6', `the network ${network.name} has no IPv6`);
  return network;
}
