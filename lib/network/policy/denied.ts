/** What the firewall has refused a container: the elements of its sets `denied4-…` and `denied6-…`. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../base/errno.js';
import { addressText } from '../../base/ip-address.js';
import type { IpFamily } from '../firewall/nft-expressions.js';
import { decodeElements, type ListedElement, listElements } from '../firewall/nft-listing.js';
import { getElements } from '../firewall/nft-messages.js';
import { TABLE } from '../firewall/ruleset.js';
import { decodeMessages, NETLINK } from '../netlink/message.js';
import { dumpRequest, type NetlinkOptions } from '../netlink/request.js';
import type { NetlinkRequest } from '../../program/network-plan.js';
import { COUNTED_FOR, policySets } from './policy-requests.js';

/** Connections that a policy has refused, or look-ups of a name. */
export interface DeniedConnection {
  /** The name that was looked up, or by which the address was found. */
  readonly host?: string | undefined;
  /** Undefined for a look-up. */
  readonly address?: string | undefined;
  /** Of TCP, UDP and SCTP. */
  readonly port?: number | undefined;
  /** `tcp`, `udp`, `sctp`, `icmp`, the number of another one; `dns` for a look-up. */
  readonly protocol: string;
  /** Packets that were refused: mostly one for each attempt. Look-ups, if it is a name. */
  readonly count: number;
  /** When the first one was refused: ISO 8601, UTC. */
  readonly first: string;
}

/** What a policy has done. */
export interface PolicyReport {
  /** The first refusal first. At most 1024 destinations of each family. */
  readonly denied: readonly DeniedConnection[];
}

const NAMES: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'icmp',
  132: 'sctp',
};
const WITH_PORTS: ReadonlySet<string> = new Set(['tcp', 'udp', 'sctp']);

/** By the names of the files that a detached container's are kept in. */
export type DeniedRequests = Readonly<Record<string, NetlinkRequest>>;

/** Dumps of what was refused. @param shortId 12 digits */
export function deniedRequests(shortId: string, families: readonly IpFamily[]): DeniedRequests {
  return Object.fromEntries(
    families.map((family) => {
      const { name } = policySets(shortId, family).denied;
      const file = family === 'ipv4' ? 'denied4' : 'denied6';
      return [file, dumpRequest(NETLINK.netfilter, getElements(TABLE, name))];
    }),
  );
}

const DENIED_FILES = ['denied4', 'denied6'] as const;

/**
 * @param answer of the kernel to such a request
 * @param at milliseconds since 1970: when it was asked
 */
export function decodeDenied(answer: Buffer, at: number): DeniedConnection[] {
  return deniedOf(decodeElements(decodeMessages(answer)), at);
}

function deniedOf(elements: readonly ListedElement[], at: number): DeniedConnection[] {
  const found = new Map<string, { -readonly [K in keyof DeniedConnection]: DeniedConnection[K] }>();
  for (const { key, packets, left } of elements) {
    // Each field begins at a multiple of four bytes.
    const size = key.length - 8;
    if (size !== 4 && size !== 16) continue;
    const number = key[size] ?? 0;
    const protocol = NAMES[number] ?? String(number);
    const address = addressText(key.subarray(0, size));
    const port = WITH_PORTS.has(protocol) ? key.readUInt16BE(size + 4) : undefined;
    const first = new Date(at - Number(COUNTED_FOR - left)).toISOString();
    const same = found.get(`${address} ${protocol} ${port}`);
    if (same === undefined) {
      const rest = port === undefined ? {} : { port };
      const denied = { address, ...rest, protocol, count: Number(packets), first };
      found.set(`${address} ${protocol} ${port}`, denied);
    } else {
      same.count += Number(packets);
      if (first < same.first) same.first = first;
    }
  }
  return [...found.values()];
}

/** Of a container that runs. None of it where there is no such container. @throws ERR_NETWORK_FAILED */
export async function listDenied(
  shortId: string,
  options: NetlinkOptions = {},
): Promise<DeniedConnection[]> {
  const at = Date.now();
  const listed = await Promise.all(
    (['ipv4', 'ipv6'] as const).map((family) =>
      listElements(options, TABLE, policySets(shortId, family).denied.name),
    ),
  );
  return listed.flatMap((elements) => deniedOf(elements, at)).sort(byTime);
}

/** Of a detached container that has ended. @param directory of the container */
export function keptDenied(directory: string): DeniedConnection[] {
  return DENIED_FILES.flatMap((name) => {
    try {
      const file = join(directory, name);
      return decodeDenied(readFileSync(file), statSync(file).mtimeMs);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }).sort(byTime);
}

export function byTime(a: DeniedConnection, b: DeniedConnection): number {
  return a.first < b.first ? -1 : a.first > b.first ? 1 : 0;
}
