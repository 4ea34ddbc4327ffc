/** The subnets of networks: those that are asked for, checked, and the choice of one where none is asked for. */
import { isRecord, invalid, conflicting } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import {
  type Address,
  type Block,
  blockAround,
  contains,
  containsBlock,
  type Family,
  familyName,
  formatAddress,
  formatBlock,
  isSameAddress,
  lastOf,
  nth,
  overlaps,
  parseAddress,
  parseBlock,
  sizeOf,
} from '../../base/cidr.js';
import type { HostBlocks } from './host-routes.js';
import type { StoredNetwork, Subnet } from './stored-network.js';

/** A subnet as it is asked for. */
export interface SubnetRequest {
  /** CIDR notation, without bits after the prefix: `10.1.0.0/16`. */
  readonly subnet: string;
  /** Default: the first address of the range. */
  readonly gateway?: string | undefined;
  /** CIDR notation: the part of the subnet that containers get their addresses from. Default: all of it. */
  readonly ipRange?: string | undefined;
  /** By a name of the caller's: addresses that no container gets. */
  readonly auxAddresses?: Readonly<Record<string, string>> | undefined;
}

export interface CheckedSubnet {
  readonly family: Family;
  readonly block: Block;
  readonly subnet: Subnet;
}

/** Addresses that no host has (RFC 6890): "this network", loopback, multicast, IPv4 in the notation of IPv6. */
const UNUSABLE: readonly Block[] = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '224.0.0.0/4',
  '255.255.255.255/32',
  '::/127',
  '::ffff:0:0/96',
  'ff00::/8',
].map((text) => parseBlock('block', text));

/** Docker's default address pools (moby, ipamutils), in the order in which they are tried. */
const POOLS: readonly Block[] = [
  ...Array.from({ length: 15 }, (_, at) => parseBlock('pool', `172.${17 + at}.0.0/16`)),
  ...Array.from({ length: 16 }, (_, at) => parseBlock('pool', `192.168.${16 * at}.0/20`)),
];

/** Tries for a random prefix of 40 bits: a second one is rarely needed. */
const TRIES = 64;

/**
 * The subnet with its gateway, in canonical form. Texts of errors are Docker's (moby, api/types/network/ipam.go).
 *
 * @throws ERR_INVALID_OPTION
 */
export function checkSubnet(request: SubnetRequest): CheckedSubnet {
  if (!isRecord(request)) throw invalid('subnets', request, 'is not an object');
  const block = parseBlock('subnet', request.subnet);
  const { family } = block;
  const unusable = UNUSABLE.find((other) => overlaps(block, other));
  if (unusable !== undefined)
    throw invalid('subnet', request.subnet, `has addresses of ${formatBlock(unusable)}, which no host can have`); // prettier-ignore
  if (sizeOf(block) < 4n)
    throw invalid('subnet', request.subnet, 'has no address for a container besides its gateway', `a prefix of at most /${family === 4 ? 30 : 126}`); // prettier-ignore
  const range = rangeIn(block, request.ipRange);
  const auxiliary = Object.entries(request.auxAddresses ?? {}).map(
    ([name, text]) => [name, addressIn(block, `auxAddresses.${name}`, text)] as const,
  );
  const taken = auxiliary.map(([, address]) => address);
  const gateway =
    request.gateway === undefined
      ? firstFree(block, range, taken)
      : addressIn(block, 'gateway', request.gateway);
  const same = auxiliary.find(([, address]) => isSameAddress(address, gateway));
  if (same !== undefined)
    throw invalid(`auxAddresses.${same[0]}`, formatAddress(gateway), 'is the gateway');
  return {
    family,
    block,
    subnet: {
      subnet: formatBlock(block),
      gateway: formatAddress(gateway),
      ...(request.ipRange === undefined ? {} : { ipRange: formatBlock(range) }),
      ...(auxiliary.length === 0
        ? {}
        : {
            auxAddresses: Object.fromEntries(
              auxiliary.map(([name, address]) => [name, formatAddress(address)]),
            ),
          }),
    },
  };
}

/**
 * At most one subnet a family, as Docker's bridge driver has it.
 *
 * @throws ERR_INVALID_OPTION, ERR_CONFLICTING_OPTIONS
 */
export function checkSubnets(
  requests: readonly SubnetRequest[],
): Readonly<Record<'ipv4' | 'ipv6', CheckedSubnet | undefined>> {
  if (!Array.isArray(requests)) throw invalid('subnets', requests, 'is not an array');
  const checked = requests.map(checkSubnet);
  const only = (family: Family): CheckedSubnet | undefined => {
    const [first, second] = checked.filter((subnet) => subnet.family === family);
    if (second !== undefined)
      throw conflicting('subnets', `a bridge network has one subnet of ${familyName(family)}, and not several`); // prettier-ignore
    return first;
  };
  return { ipv4: only(4), ipv6: only(6) };
}

function rangeIn(block: Block, text: string | undefined): Block {
  if (text === undefined) return block;
  const range = parseBlock('ipRange', text);
  if (range.family !== block.family)
    throw invalid('ipRange', text, `is not ${familyName(block.family)}, as its subnet is`);
  if (!containsBlock(block, range))
    throw invalid('ipRange', text, `is not within its subnet ${formatBlock(block)}`);
  return range;
}

/** An address that a host of the subnet can have. */
export function addressIn(block: Block, option: string, text: unknown): Address {
  const address = parseAddress(option, text);
  if (address.family !== block.family)
    throw invalid(option, text, `is not ${familyName(block.family)}, as its subnet is`);
  if (!contains(block, address))
    throw invalid(option, text, `is not within the subnet ${formatBlock(block)}`);
  if (isReserved(block, address))
    throw invalid(option, text, `is reserved in the subnet ${formatBlock(block)}`, 'it is its network or broadcast address'); // prettier-ignore
  return address;
}

/** The network address (of IPv6: the anycast address of its routers, RFC 4291, 2.6.1), and IPv4's broadcast address. */
export function isReserved(block: Block, address: Address): boolean {
  return (
    address.value === block.first || (block.family === 4 && isSameAddress(address, lastOf(block)))
  );
}

/** As Docker's default gateway: the first address of the range that a host can have. */
function firstFree(block: Block, range: Block, taken: readonly Address[]): Address {
  for (let index = 0n; index < sizeOf(range); index++) {
    const address = nth(range, index);
    if (!isReserved(block, address) && !taken.some((other) => isSameAddress(other, address)))
      return address;
  }
  throw invalid('ipRange', formatBlock(range), 'has no address for the gateway');
}

/** The subnets of networks. */
export function blocksOf(networks: readonly StoredNetwork[]): Block[] {
  return networks.flatMap(({ ipv4, ipv6 }) =>
    [ipv4, ipv6].flatMap((subnet) =>
      subnet === undefined ? [] : [parseBlock('subnet', subnet.subnet)],
    ),
  );
}

/** @throws ERR_SUBNET_OVERLAP, with Docker's text */
export function refuseOverlap(block: Block, networks: readonly StoredNetwork[]): void {
  const other = networks.find((network) =>
    blocksOf([network]).some((taken) => overlaps(taken, block)),
  );
  if (other === undefined) return;
  throw new CaissonError(
    'ERR_SUBNET_OVERLAP',
    `invalid pool request: Pool overlaps with other one on this address space: ${formatBlock(block)}`,
    {
      stage: 'config',
      path: formatBlock(block),
      hint: `the network ${other.name} has ${formatBlock(blocksOf([other]).find((taken) => overlaps(taken, block)) ?? block)}`,
    },
  );
}

/**
 * The first of Docker's default pools that overlaps no network, no address and no route of the host. If there is none, one
 * that overlaps only routes through a router, as Docker would choose: such a route may stand for a whole organization,
 * with none of these addresses in use.
 *
 * @throws ERR_ADDRESSES_EXHAUSTED
 */
export function chooseSubnet4(taken: readonly Block[], host: HostBlocks): Subnet {
  const used = [...taken, ...host.near];
  const free = POOLS.filter((pool) => !used.some((block) => overlaps(block, pool)));
  const best = free.find((pool) => !host.far.some((block) => overlaps(block, pool))) ?? free[0];
  if (best !== undefined) return checkSubnet({ subnet: formatBlock(best) }).subnet;
  throw new CaissonError(
    'ERR_ADDRESSES_EXHAUSTED',
    'could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network: all predefined address pools have been fully subnetted',
    {
      stage: 'config',
      path: 'subnet',
      hint: 'remove networks that are not needed (caisson network prune), or give a subnet',
    },
  );
}

/**
 * A prefix of 64 bits of a unique local address (RFC 4193, 3.1): fd, 40 random bits, and 16 bits of zeros.
 *
 * @param random 40 bits; for tests
 * @throws ERR_ADDRESSES_EXHAUSTED
 */
export function chooseSubnet6(
  taken: readonly Block[],
  host: HostBlocks,
  random: () => bigint = random40,
): Subnet {
  const used = [...taken, ...host.near, ...host.far];
  for (let tries = 0; tries < TRIES; tries++) {
    const value = (0xfdn << 120n) | (random() << 80n);
    const block = blockAround({ family: 6, value }, 64);
    if (!used.some((other) => overlaps(other, block)))
      return checkSubnet({ subnet: formatBlock(block) }).subnet;
  }
  throw new CaissonError(
    'ERR_ADDRESSES_EXHAUSTED',
    'could not find an available, non-overlapping IPv6 address pool: routes of the host cover fd00::/8',
    { stage: 'config', path: 'subnet', hint: 'give a subnet' },
  );
}

function random40(): bigint {
  return BigInt(`0x${Buffer.from(crypto.getRandomValues(new Uint8Array(5))).toString('hex')}`);
}
