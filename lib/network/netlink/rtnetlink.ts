/** Requests of rtnetlink(7): interfaces, addresses and routes. Numbers are of linux/rtnetlink.h, if_link.h, if_addr.h. */
import { isIPv4 } from 'node:net';
import { addressBytes } from '../../base/ip-address.js';
import {
  attribute,
  decodeAttributes,
  type DecodedMessage,
  IN_NAMESPACE,
  nested,
  type NetlinkMessage,
  NLM_F,
  text,
  u32,
} from './message.js';

export const RTM = {
  newlink: 16,
  dellink: 17,
  getlink: 18,
  newaddr: 20,
  newroute: 24,
  getroute: 26,
} as const;
export const IFLA = {
  address: 1,
  ifname: 3,
  mtu: 4,
  master: 10,
  linkinfo: 18,
  infoKind: 1,
  infoData: 2,
  operstate: 16,
  txQueues: 31,
  rxQueues: 32,
} as const;
const IFA = { address: 1, local: 2, broadcast: 4, flags: 8 } as const;
const IFA_F_NODAD = 0x02;
const RTA = { dst: 1, oif: 4, gateway: 5 } as const;
const VETH_INFO_PEER = 1;
const AF = { unspec: 0, inet: 2, inet6: 10 } as const;
const IFF_UP = 1;
const RT_TABLE_MAIN = 254;
const RT_TABLE_LOCAL = 255;
const RTPROT_BOOT = 3;
const RT_SCOPE = { universe: 0, link: 253 } as const;
const RTN = { unicast: 1, local: 2, anycast: 4 } as const;
/** Bytes of struct rtmsg. */
const ROUTE_HEADER = 12;

/** An address and the length of its network's prefix in bits. */
export interface Cidr {
  readonly address: string;
  readonly prefix: number;
}

/** struct ifinfomsg. @param index 0: the kernel chooses, or the name tells which */
export function interfaceHeader(index: number, flags = 0, change = flags): Buffer {
  return Buffer.concat([Buffer.alloc(4), u32(index), u32(flags), u32(change)]);
}

function family(address: string): number {
  return isIPv4(address) ? AF.inet : AF.inet6;
}

function hardwareAddress(mac: string): Buffer {
  return attribute(IFLA.address, Buffer.from(mac.replaceAll(':', ''), 'hex'));
}

/** IFLA_BR_MULTI_BOOLOPT: struct br_boolopt_multi. */
const BRIDGE_SWITCHES = 46;
/** BR_BOOLOPT_NO_LL_LEARN. */
const NO_LINK_LOCAL_LEARNING = u32(1 << 0);

/**
 * A bridge, which is not up yet. It does not learn from frames that only a neighbouring bridge is to receive, as those to
 * 01:80:c2:00:00:0e pass no filter; before Linux 5.0 it does.
 *
 * @throws at the kernel EEXIST
 */
export function addBridge(
  name: string,
  { mac, mtu }: { readonly mac?: string | undefined; readonly mtu?: number | undefined },
): NetlinkMessage {
  return {
    type: RTM.newlink,
    flags: NLM_F.create | NLM_F.excl,
    body: Buffer.concat([
      interfaceHeader(0),
      attribute(IFLA.ifname, text(name)),
      ...(mac === undefined ? [] : [hardwareAddress(mac)]),
      ...(mtu === undefined ? [] : [attribute(IFLA.mtu, u32(mtu))]),
      nested(
        IFLA.linkinfo,
        attribute(IFLA.infoKind, text('bridge')),
        nested(
          IFLA.infoData,
          attribute(BRIDGE_SWITCHES, NO_LINK_LOCAL_LEARNING, NO_LINK_LOCAL_LEARNING),
        ),
      ),
    ]),
    text: `link add ${name} type bridge`,
  };
}

/** How the kernel refuses `addImpossibleLink`, if it has such interfaces. */
export const IMPOSSIBLE_LINK = 'EADDRNOTAVAIL';

/** An interface with an address of a group, which the kernel refuses after it has found out what makes such interfaces. */
export function addImpossibleLink(kind: 'bridge' | 'veth'): NetlinkMessage {
  return {
    type: RTM.newlink,
    flags: NLM_F.create | NLM_F.excl,
    body: Buffer.concat([
      interfaceHeader(0),
      attribute(IFLA.ifname, text(`cai-no-${kind}`)),
      hardwareAddress('01:00:00:00:00:00'),
      nested(IFLA.linkinfo, attribute(IFLA.infoKind, text(kind))),
    ]),
    text: `link add type ${kind}`,
  };
}

/**
 * For both ends: by default each has as many queues as the machine has processors, of which the kernel then switches off all
 * but one, and for that it waits twice, with the lock of all interfaces, for all processors (veth_init_queues()).
 */
const ONE_QUEUE = Buffer.concat([
  attribute(IFLA.txQueues, u32(1)),
  attribute(IFLA.rxQueues, u32(1)),
]);

export interface VethPair {
  /** Of the end on the host. */
  readonly name: string;
  /** Bytes. */
  readonly mtu: number;
  /** The end in the container. */
  readonly inside: {
    readonly name: string;
    /** Its index there, so that what configures it need not ask. */
    readonly index: number;
    readonly mac: string;
  };
}

/**
 * Two connected interfaces: one on the host, and one in the network namespace of the request. The latter is the main one of the
 * message, as the kernel takes an index for the other one only if the main one has one, too (veth_newlink() of
 * drivers/net/veth.c).
 */
export function addVeth({ name, mtu, inside }: VethPair): NetlinkMessage {
  const mtuAttribute = attribute(IFLA.mtu, u32(mtu));
  return {
    type: RTM.newlink,
    flags: NLM_F.create | NLM_F.excl,
    body: Buffer.concat([
      interfaceHeader(inside.index),
      attribute(IFLA.ifname, text(inside.name)),
      hardwareAddress(inside.mac),
      mtuAttribute,
      ONE_QUEUE,
      IN_NAMESPACE,
      nested(
        IFLA.linkinfo,
        attribute(IFLA.infoKind, text('veth')),
        nested(
          IFLA.infoData,
          // Without NLA_F_NESTED, as its attributes come after a struct.
          attribute(
            VETH_INFO_PEER,
            interfaceHeader(0),
            attribute(IFLA.ifname, text(name)),
            mtuAttribute,
            ONE_QUEUE,
          ),
        ),
      ),
    ]),
    text: `link add ${inside.name} in the container type veth peer ${name}`,
  };
}

/** Makes an interface a port of a bridge, and sets it up. @param bridge index of the bridge @param bridgeName for the text alone */
export function addPort(name: string, bridge: number, bridgeName: string): NetlinkMessage {
  return {
    type: RTM.newlink,
    body: Buffer.concat([
      interfaceHeader(0, IFF_UP),
      attribute(IFLA.ifname, text(name)),
      attribute(IFLA.master, u32(bridge)),
    ]),
    text: `link set ${name} up master ${bridgeName}`,
  };
}

/** @throws at the kernel ENODEV */
export function removePort(name: string): NetlinkMessage {
  return {
    type: RTM.newlink,
    body: Buffer.concat([
      interfaceHeader(0),
      attribute(IFLA.ifname, text(name)),
      attribute(IFLA.master, u32(0)),
    ]),
    text: `link set ${name} nomaster`,
  };
}

/** @param index of the interface @param name for the text alone */
export function setLinkUp(index: number, name: string): NetlinkMessage {
  return {
    type: RTM.newlink,
    body: interfaceHeader(index, IFF_UP),
    text: `link set ${name} up`,
  };
}

/** @throws at the kernel ENODEV */
export function deleteLink(name: string): NetlinkMessage {
  return {
    type: RTM.dellink,
    body: Buffer.concat([interfaceHeader(0), attribute(IFLA.ifname, text(name))]),
    text: `link delete ${name}`,
  };
}

/** An IPv6 address is used at once, without duplicate address detection: the address was claimed. */
export function addAddress(
  index: number,
  name: string,
  { address, prefix }: Cidr,
  broadcast?: string,
): NetlinkMessage {
  const bytes = addressBytes(address);
  const v4 = isIPv4(address);
  return {
    type: RTM.newaddr,
    flags: NLM_F.create | NLM_F.excl,
    body: Buffer.concat([
      Buffer.of(family(address), prefix, v4 ? 0 : IFA_F_NODAD, RT_SCOPE.universe),
      u32(index),
      attribute(IFA.address, bytes),
      attribute(IFA.local, bytes),
      ...(broadcast === undefined ? [] : [attribute(IFA.broadcast, addressBytes(broadcast))]),
      ...(v4 ? [] : [attribute(IFA.flags, u32(IFA_F_NODAD))]),
    ]),
    text: `address add ${address}/${prefix} dev ${name}`,
  };
}

/** The default route, by a gateway. @param replaces also if there is one, which it replaces */
export function addDefaultRoute(
  index: number,
  name: string,
  gateway: string,
  replaces = false,
): NetlinkMessage {
  return {
    type: RTM.newroute,
    flags: NLM_F.create | (replaces ? NLM_F.replace : NLM_F.excl),
    body: Buffer.concat([
      // struct rtmsg
      Buffer.of(family(gateway), 0, 0, 0),
      Buffer.of(RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE.universe, RTN.unicast),
      u32(0),
      attribute(RTA.gateway, addressBytes(gateway)),
      attribute(RTA.oif, u32(index)),
    ]),
    text: `route ${replaces ? 'replace' : 'add'} default via ${gateway} dev ${name}`,
  };
}

/** All interfaces, of a dump. */
export const GET_LINKS: NetlinkMessage = {
  type: RTM.getlink,
  body: interfaceHeader(0),
  text: 'link show',
};

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  /** `bridge`, `veth` and the like; undefined of hardware. */
  readonly kind: string | undefined;
  /** Index of the bridge that it is a port of. */
  readonly bridge: number | undefined;
}

export function decodeLink({ body }: DecodedMessage): Link {
  const attributes = decodeAttributes(body.subarray(16));
  const info = attributes.get(IFLA.linkinfo);
  const kind = info === undefined ? undefined : decodeAttributes(info).get(IFLA.infoKind);
  return {
    index: body.readInt32LE(4),
    name: textOf(attributes.get(IFLA.ifname)) ?? '',
    up: (body.readUInt32LE(8) & IFF_UP) !== 0,
    kind: textOf(kind),
    bridge: attributes.get(IFLA.master)?.readUInt32LE(0),
  };
}

function textOf(bytes: Buffer | undefined): string | undefined {
  return bytes?.toString('utf8').replace(/\0.*$/s, '');
}

/** All routes of both families, which include those to the addresses of the machine itself. */
export const GET_ROUTES: NetlinkMessage = {
  type: RTM.getroute,
  body: routeHeader(AF.unspec),
  text: 'ip route show table all',
};

/** Where packets come to that are for the machine itself. */
export interface OwnRoute {
  readonly family: 4 | 6;
  readonly address: Buffer;
  readonly prefix: number;
}

/** Undefined: packets of this route go elsewhere. */
export function decodeOwnRoute({ body }: DecodedMessage): OwnRoute | undefined {
  const [number, prefix = 0, , , table, , , type] = body;
  const address = decodeAttributes(body.subarray(ROUTE_HEADER)).get(RTA.dst);
  const family = number === AF.inet ? 4 : number === AF.inet6 ? 6 : undefined;
  const isOwn = table === RT_TABLE_LOCAL && (type === RTN.local || type === RTN.anycast);
  if (!isOwn || family === undefined || address === undefined) return undefined;
  return { family, address, prefix };
}

/** struct rtmsg. */
function routeHeader(family: number): Buffer {
  return Buffer.concat([Buffer.of(family), Buffer.alloc(ROUTE_HEADER - 1)]);
}
