/** IPv4 and IPv6 addresses and blocks of them, as numbers; texts of IPv6 in the form of RFC 5952. */
import { isIPv4, isIPv6 } from 'node:net';
import { invalid } from './check.js';
import { addressBytes, addressText } from './ip-address.js';

export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  /** The 32 or 128 bits of the address. */
  readonly value: bigint;
}

/** All addresses that begin with the same bits. */
export interface Block {
  readonly family: Family;
  /** The lowest address; the bits after the prefix are zero. */
  readonly first: bigint;
  /** Bits. */
  readonly prefix: number;
}

const BITS: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };

/** `IPv4` or `IPv6`. */
export function familyName(family: Family): string {
  return `IPv${family}`;
}

/** Bits of an address. */
export function bitsOf(family: Family): number {
  return BITS[family];
}

/**
 * An address without a prefix length or a zone.
 *
 * @throws ERR_INVALID_OPTION
 */
export function parseAddress(option: string, text: unknown): Address {
  const address = typeof text === 'string' ? readAddress(text) : undefined;
  if (address === undefined) throw invalid(option, text, 'is not an IPv4 or IPv6 address');
  return address;
}

/**
 * A block in CIDR notation (RFC 4632, 3.1; RFC 4291, 2.3). Bits after the prefix are an error, as in Docker.
 *
 * @throws ERR_INVALID_OPTION
 */
export function parseBlock(option: string, text: unknown): Block {
  const [, before = '', length = ''] =
    (typeof text === 'string' ? /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text) : null) ?? [];
  const address = readAddress(before);
  const prefix = Number(length);
  if (address === undefined || prefix > BITS[address.family])
    throw invalid(option, text, 'is not a block of addresses in CIDR notation', 'such as 10.1.0.0/16 or fd12:3456:789a:1::/64'); // prettier-ignore
  const block = blockAround(address, prefix);
  if (block.first !== address.value)
    throw invalid(option, text, `has bits after its prefix: it should be ${formatBlock(block)}`);
  return block;
}

/** The block of that prefix length which contains the address. */
export function blockAround({ family, value }: Address, prefix: number): Block {
  const rest = BigInt(BITS[family] - prefix);
  return { family, first: (value >> rest) << rest, prefix };
}

/** The number of addresses. */
export function sizeOf({ family, prefix }: Block): bigint {
  return 1n << BigInt(BITS[family] - prefix);
}

/** The highest address; the broadcast address of a subnet of IPv4. */
export function lastOf(block: Block): Address {
  return nth(block, -1n);
}

/** The address at an index from 0, or from the end if it is negative; no check of the range. */
export function nth(block: Block, index: bigint): Address {
  const from = index < 0n ? block.first + sizeOf(block) : block.first;
  return { family: block.family, value: from + index };
}

export function contains(block: Block, { family, value }: Address): boolean {
  return family === block.family && blockAround({ family, value }, block.prefix).first === block.first; // prettier-ignore
}

/** Whether all of the inner block is in the outer one. */
export function containsBlock(outer: Block, inner: Block): boolean {
  return inner.prefix >= outer.prefix && contains(outer, nth(inner, 0n));
}

/** Whether they have an address in common: one of them contains the other. */
export function overlaps(a: Block, b: Block): boolean {
  return containsBlock(a, b) || containsBlock(b, a);
}

export function isSameAddress(a: Address, b: Address): boolean {
  return a.family === b.family && a.value === b.value;
}

/** `10.1.0.0/16` */
export function formatBlock(block: Block): string {
  return `${formatAddress(nth(block, 0n))}/${block.prefix}`;
}

/** Dotted decimal, or RFC 5952. */
export function formatAddress({ family, value }: Address): string {
  const digits = value.toString(16).padStart(BITS[family] / 4, '0');
  return addressText(Buffer.from(digits, 'hex'));
}

/** Undefined for what is no address. */
export function readAddress(text: string): Address | undefined {
  const family = isIPv4(text) ? 4 : isIPv6(text) ? 6 : undefined;
  // A zone (`%eth0`) belongs to a machine, and not to an address.
  if (family === undefined || text.includes('%')) return undefined;
  return { family, value: BigInt(`0x${addressBytes(text).toString('hex')}`) };
}
