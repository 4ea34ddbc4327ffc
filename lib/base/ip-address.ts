/** IP addresses as bytes in network order. */
import { isIPv4, isIPv6 } from 'node:net';

/** @returns 4 or 16 bytes. @throws TypeError of a text that is no address, or that has a zone */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  if (!isIPv6(address) || address.includes('%'))
    throw new TypeError(`"${address}" is not an IP address`);
  // The last four bytes may be written as IPv4: RFC 4291, section 2.2.
  const dotted = /[^:]+\.[^:]+$/.exec(address)?.[0];
  const tail = dotted === undefined ? Buffer.alloc(0) : addressBytes(dotted);
  const text = dotted === undefined ? address : address.slice(0, -dotted.length);
  const [left = '', right] = text.split('::');
  const words = (part: string) => part.split(':').filter((word) => word !== '');
  const before = words(left);
  const after = words(right ?? '');
  const bytes = Buffer.alloc(16);
  before.forEach((word, at) => bytes.writeUInt16BE(parseInt(word, 16), 2 * at));
  const end = 16 - tail.length;
  after.forEach((word, at) => {
    bytes.writeUInt16BE(parseInt(word, 16), end - 2 * (after.length - at));
  });
  tail.copy(bytes, end);
  return bytes;
}

/** The recommended text: RFC 5952, section 4. @param bytes 4 or 16 */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, at) =>
    (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16),
  );
  // The first of the longest runs of two or more zeros.
  let best = { at: 0, size: 1 };
  for (let at = 0; at < 8; at++) {
    let size = 0;
    while (words[at + size] === '0') size++;
    if (size > best.size) best = { at, size };
  }
  if (best.size === 1) return words.join(':');
  return `${words.slice(0, best.at).join(':')}::${words.slice(best.at + best.size).join(':')}`;
}

/** 127.0.0.0/8, or ::1. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
