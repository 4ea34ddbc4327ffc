/**
 * Flows of UDP that the kernel tracks (ctnetlink). A flow keeps the translation that its first packet had: one that is older than a
 * published port does not come to the container, and one to a container that has ended leads to its address as long as
 * the client sends. As Docker does, both are forgotten; the next packet is a new flow. Connections of TCP end by themselves.
 * Numbers are of linux/netfilter/nfnetlink_conntrack.h.
 */
import { release } from 'node:os';
import { addressBytes } from '../../base/ip-address.js';
import { CaissonError } from '../../base/errors.js';
import {
  attribute,
  be16,
  type EncodedRequest,
  encodeRequest,
  nested,
  NETLINK,
  type NetlinkMessage,
  u8,
  u32,
} from '../netlink/message.js';
import { type NetlinkOptions, requestNetlink } from '../netlink/request.js';
import type { IpFamily } from './nft-expressions.js';
import { type Endpoint, PROTOCOL_NUMBERS, type PublishedPort } from './port-bindings.js';

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const CTA = { original: 1, reply: 2, filter: 25 } as const;
const CTA_TUPLE = { ip: 1, protocol: 2 } as const;
const CTA_IP_SOURCE = { ipv4: 1, ipv6: 3 } as const;
const CTA_PROTO = { number: 1, destinationPort: 3 } as const;
const CTA_FILTER = { originalFlags: 1, replyFlags: 2 } as const;
/** net/netfilter/nf_internals.h: CTA_FILTER_F_*: which fields of the tuple have to be the same. */
const SAME = { source: 1, protocol: 8, destinationPort: 0x20 } as const;
/** linux/socket.h: AF_*. */
const AF = { ipv4: 2, ipv6: 10 } as const;
const FAMILIES = ['ipv4', 'ipv6'] as const;

/** Before that kernel a request to forget flows with a filter forgets all of them. */
const FIRST_KERNEL = [6, 12] as const;

/** For the time before and after `publishRequest`: flows to these ports of the host. Undefined: none is of UDP. */
export function forgetFlowsTo(
  endpoint: Endpoint,
  ports: readonly PublishedPort[],
): EncodedRequest | undefined {
  const numbers = new Set(udpOf(ports).map(({ hostPort }) => hostPort));
  const messages = familiesOf(endpoint).flatMap((family) =>
    [...numbers].map((port) => forgetPort(family, port)),
  );
  return messages.length === 0 ? undefined : encodeRequest(NETLINK.netfilter, messages);
}

/** After `unpublishRequest`: flows that lead to the container. Undefined: none is of UDP. */
export function forgetFlowsOf(
  endpoint: Endpoint,
  ports: readonly PublishedPort[],
): EncodedRequest | undefined {
  if (udpOf(ports).length === 0) return undefined;
  return encodeRequest(
    NETLINK.netfilter,
    familiesOf(endpoint).map((family) => forgetAddress(family, endpoint[family] ?? '')),
  );
}

function udpOf(ports: readonly PublishedPort[]): readonly PublishedPort[] {
  return ports.filter(({ protocol }) => protocol === 'udp');
}

function familiesOf(endpoint: Endpoint): readonly IpFamily[] {
  return FAMILIES.filter((family) => endpoint[family] !== undefined);
}

function forgetPort(family: IpFamily, port: number): NetlinkMessage {
  return {
    ...forget(
      family,
      nested(CTA.original, udp(attribute(CTA_PROTO.destinationPort, be16(port)))),
      attribute(CTA_FILTER.originalFlags, u32(SAME.protocol | SAME.destinationPort)),
    ),
    text: `conntrack --delete --family ${family} --proto udp --dport ${port}`,
  };
}

/** The container's answers come from its address, whatever the clients have asked. */
function forgetAddress(family: IpFamily, address: string): NetlinkMessage {
  const source = attribute(CTA_IP_SOURCE[family], addressBytes(address));
  return {
    ...forget(
      family,
      nested(CTA.reply, nested(CTA_TUPLE.ip, source), udp()),
      attribute(CTA_FILTER.replyFlags, u32(SAME.protocol | SAME.source)),
    ),
    text: `conntrack --delete --family ${family} --proto udp --reply-src ${address}`,
  };
}

function udp(...more: readonly Uint8Array[]): Buffer {
  return nested(CTA_TUPLE.protocol, attribute(CTA_PROTO.number, u8(PROTOCOL_NUMBERS.udp)), ...more);
}

function forget(
  family: IpFamily,
  tuple: Uint8Array,
  flags: Uint8Array,
): Pick<NetlinkMessage, 'type' | 'body'> {
  return {
    type: (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE,
    body: Buffer.concat([Buffer.of(AF[family], 0, 0, 0), tuple, nested(CTA.filter, flags)]),
  };
}

let forgets: Promise<boolean> | undefined;

/** Whether this kernel forgets some flows and not all, and has ctnetlink; tried once, with a port that no flow has. */
export function canForgetFlows(options: NetlinkOptions = {}): Promise<boolean> {
  return (forgets ??= tryToForget(options));
}

async function tryToForget(options: NetlinkOptions): Promise<boolean> {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const [firstMajor, firstMinor] = FIRST_KERNEL;
  if (major < firstMajor || (major === firstMajor && minor < firstMinor)) return false;
  try {
    await requestNetlink(encodeRequest(NETLINK.netfilter, [forgetPort('ipv4', 0)]), options);
    return true;
  } catch (error) {
    if (error instanceof CaissonError) return false;
    throw error;
  }
}
