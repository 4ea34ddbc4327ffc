/** The addresses that containers of a network can have. */
import {
  type Address,
  type Block,
  contains,
  type Family,
  familyName,
  formatAddress,
  nth,
  parseAddress,
  parseBlock,
  sizeOf,
} from '../../base/cidr.js';
import { CaissonError } from '../../base/errors.js';
import type { StoredNetwork, Subnet } from './stored-network.js';
import { addressIn, isReserved } from './subnets.js';

export interface Pool {
  readonly family: Family;
  readonly block: Block;
  /** Where addresses are chosen from. */
  readonly range: Block;
  readonly gateway: Address;
  readonly auxiliary: readonly Address[];
  /** For errors. */
  readonly network: string;
}

/** Of networks, which never change. */
const pools: Readonly<Record<Family, WeakMap<StoredNetwork, Pool>>> = {
  4: new WeakMap(),
  6: new WeakMap(),
};

export function poolOf(network: StoredNetwork, family: Family): Pool {
  const known = pools[family].get(network);
  if (known !== undefined) return known;
  const pool = makePool(network, family);
  pools[family].set(network, pool);
  return pool;
}

function makePool(network: StoredNetwork, family: Family): Pool {
  const subnet: Subnet | undefined = family === 4 ? network.ipv4 : network.ipv6;
  if (subnet === undefined)
    throw new CaissonError('ERR_INVALID_OPTION', `network ${network.name} has no ${familyName(family)} subnet`, { stage: 'config', path: family === 4 ? 'ip' : 'ip6' }); // prettier-ignore
  const block = parseBlock('subnet', subnet.subnet);
  return {
    family,
    block,
    range: subnet.ipRange === undefined ? block : parseBlock('ipRange', subnet.ipRange),
    gateway: parseAddress('gateway', subnet.gateway),
    auxiliary: Object.values(subnet.auxAddresses ?? {}).map((text) => parseAddress('aux', text)),
    network: network.name,
  };
}

function isOfNetwork({ block, gateway, auxiliary }: Pool, address: Address): boolean {
  return (
    isReserved(block, address) ||
    address.value === gateway.value ||
    auxiliary.some(({ value }) => value === address.value)
  );
}

export function wantedIn(pool: Pool, wanted: string): Address {
  const address = addressIn(pool.block, pool.family === 4 ? 'ip' : 'ip6', wanted);
  if (isOfNetwork(pool, address))
    throw inUse(address, address.value === pool.gateway.value ? 'it is the gateway' : 'it is an auxiliary address'); // prettier-ignore
  return address;
}

/** Once around the range, from the address after the last one. */
export function* addressesAfter(pool: Pool, last: string): Generator<Address> {
  const { range, family } = pool;
  const size = sizeOf(range);
  const before = { family, value: /^[0-9a-f]{32}$/.test(last) ? BigInt(`0x${last}`) : 0n };
  const start = contains(range, before) ? before.value - range.first + 1n : 0n;
  for (let step = 0n; step < size; step++) {
    const address = nth(range, (start + step) % size);
    if (!isOfNetwork(pool, address)) yield address;
  }
}

export function inUse(address: Address, hint: string): CaissonError {
  const text = formatAddress(address);
  return new CaissonError('ERR_ADDRESS_IN_USE', `${text}: Address already in use`, {
    stage: 'config',
    path: text,
    hint,
  });
}
