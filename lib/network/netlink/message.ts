/**
 * Messages of netlink(7), in this machine's byte order (little-endian: all that caisson runs on). A request is some messages,
 * which the launch program's `netlink.request` or `requestNetlink` sends at once.
 */

import type { NetlinkRequest } from '../../program/network-plan.js';

/** linux/netlink.h. */
export const NETLINK = { route: 0, netfilter: 12 } as const;
export type NetlinkProtocol = (typeof NETLINK)[keyof typeof NETLINK];

export const NLM_F = {
  request: 0x1,
  ack: 0x4,
  /** Of a request that makes something: it takes the place of what is there. */
  replace: 0x100,
  /** The same: it must not exist. */
  excl: 0x200,
  create: 0x400,
  append: 0x800,
  /** Of a request that asks: all there are. */
  dump: 0x300,
} as const;

const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

/** Bytes. */
const HEADER_SIZE = 16;
const ATTRIBUTE_SIZE = 4;

export interface NetlinkMessage {
  readonly type: number;
  /** Besides NLM_F.request and NLM_F.ack. */
  readonly flags?: number;
  /** The fixed part, and attributes. */
  readonly body: Uint8Array;
  /** What it does, for `explain` and errors: one line, in the words of ip(8) or nft(8). */
  readonly text: string;
}

const IFLA_NET_NS_FD = 28;

/** An attribute of an interface: the network namespace that it is made in, whose descriptor is known when the request is sent. */
export const IN_NAMESPACE = attribute(IFLA_NET_NS_FD, u32(-1));

export function u8(value: number): Buffer {
  return Buffer.of(value);
}
export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}
/** In network byte order, as nfnetlink has its numbers. */
export function be16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
export function be32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
export function be64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}
/** With the NUL at its end. */
export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

/** An attribute (struct nlattr), padded to four bytes. */
export function attribute(type: number, ...parts: readonly Uint8Array[]): Buffer {
  let size = ATTRIBUTE_SIZE;
  for (const part of parts) size += part.length;
  const bytes = Buffer.alloc(aligned(size));
  bytes.writeUInt16LE(size, 0);
  bytes.writeUInt16LE(type, 2);
  let at = ATTRIBUTE_SIZE;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** An attribute that contains attributes. */
export function nested(type: number, ...attributes: readonly Uint8Array[]): Buffer {
  return attribute(type | NLA_F_NESTED, ...attributes);
}

export interface EncodedRequest extends NetlinkRequest {
  readonly bytes: Buffer;
}

/**
 * The kernel answers the last message that asks for it; an error of another it tells anyway.
 *
 * @param last index of the message whose answer ends the request.
 */
export function encodeRequest(
  protocol: NetlinkProtocol,
  messages: readonly NetlinkMessage[],
  last = messages.length - 1,
): EncodedRequest {
  const bytes = Buffer.concat(
    messages.map(({ type, flags = 0, body }, index) =>
      message(type, flags | NLM_F.request | (index === last ? NLM_F.ack : 0), index + 1, body),
    ),
  );
  const at = protocol === NETLINK.route ? bytes.indexOf(IN_NAMESPACE) : -1;
  return {
    protocol,
    bytes,
    text: messages.map((each) => each.text).join('\n'),
    ...(at < 0 ? {} : { namespaceAt: at + ATTRIBUTE_SIZE }),
  };
}

function message(type: number, flags: number, sequence: number, body: Uint8Array): Buffer {
  const size = HEADER_SIZE + body.length;
  const bytes = Buffer.alloc(aligned(size));
  bytes.writeUInt32LE(size, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(flags, 6);
  bytes.writeUInt32LE(sequence, 8);
  bytes.set(body, HEADER_SIZE);
  return bytes;
}

function aligned(size: number): number {
  return (size + 3) & ~3;
}

export interface DecodedMessage {
  readonly type: number;
  /** The fixed part, and attributes. */
  readonly body: Buffer;
}

/** The messages of a dump, without those that end it. @throws Error of bytes that are none */
export function decodeMessages(bytes: Buffer): DecodedMessage[] {
  const found: DecodedMessage[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = at + HEADER_SIZE > bytes.length ? 0 : bytes.readUInt32LE(at);
    if (size < HEADER_SIZE || at + size > bytes.length)
      throw new Error('a netlink message is longer than what was received');
    const type = bytes.readUInt16LE(at + 4);
    if (type !== NLMSG_DONE && type !== NLMSG_ERROR)
      found.push({ type, body: bytes.subarray(at + HEADER_SIZE, at + size) });
    at += aligned(size);
  }
  return found;
}

/** Attributes by type; of several of one type the last. @throws Error of bytes that are none */
export function decodeAttributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + ATTRIBUTE_SIZE <= bytes.length;) {
    const size = bytes.readUInt16LE(at);
    if (size < ATTRIBUTE_SIZE || at + size > bytes.length)
      throw new Error('a netlink attribute is longer than its message');
    found.set(
      bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK,
      bytes.subarray(at + ATTRIBUTE_SIZE, at + size),
    );
    at += aligned(size);
  }
  return found;
}
