/** The published ports of all containers, as the kernel has them. */
import { addressText } from '../../base/ip-address.js';
import type { NetlinkOptions } from '../netlink/request.js';
import { listElements } from './nft-listing.js';
import { PROTOCOL_NUMBERS, type Protocol, type PublishedPort } from './port-bindings.js';
import { SET, TABLE } from './ruleset.js';

export interface FoundPort extends PublishedPort {
  /** `0.0.0.0` and `::` are all of one family. */
  readonly hostIp: string;
  /** Of the container. */
  readonly address: string;
}

/** Of the first field of a key: undefined where a port is that of all addresses of the host. */
const MAPS = [
  [SET.anywhere4.name, 4, '0.0.0.0'],
  [SET.published4.name, 4, undefined],
  [SET.anywhere6.name, 16, '::'],
  [SET.published6.name, 16, undefined],
] as const;

/** In no order. None if there is no firewall. @throws ERR_NETWORK_FAILED */
export async function listPublishedPorts(options: NetlinkOptions = {}): Promise<FoundPort[]> {
  const found: FoundPort[] = [];
  for (const [set, size, any] of MAPS)
    for (const { key, data } of await listElements(options, TABLE, set)) {
      const port = decodePort(key, data, size, any);
      if (port !== undefined) found.push(port);
    }
  return found;
}

/** Each field of a concatenation begins at a multiple of four bytes (elements.ts: `portElements`). */
function decodePort(
  key: Buffer,
  data: Buffer | undefined,
  size: 4 | 16,
  any: string | undefined,
): FoundPort | undefined {
  const at = any === undefined ? size : 0;
  if (data === undefined || key.length < at + 6 || data.length < size + 2) return undefined;
  const protocol = PROTOCOLS.find((name) => PROTOCOL_NUMBERS[name] === key[at]);
  if (protocol === undefined) return undefined;
  return {
    hostIp: any ?? addressText(key.subarray(0, size)),
    hostPort: key.readUInt16BE(at + 4),
    address: addressText(data.subarray(0, size)),
    containerPort: data.readUInt16BE(size),
    protocol,
  };
}

const PROTOCOLS = Object.keys(PROTOCOL_NUMBERS) as readonly Protocol[];
