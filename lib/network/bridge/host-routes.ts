/** Which addresses this machine uses already: its routes, its own addresses, its name servers. */
import { nameServersIn } from '../../base/resolv-conf.js';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { isErrno } from '../../base/errno.js';
import { type Block, blockAround, bitsOf, containsBlock, readAddress } from '../../base/cidr.js';

export interface HostBlocks {
  /** Reached without a router: addresses of the machine, and of its neighbours. */
  readonly near: readonly Block[];
  /** Reached through a router, and the name servers. */
  readonly far: readonly Block[];
}

/** RTF_GATEWAY of route flags (proc_net(5), linux/route.h). */
const GATEWAY = 0x2;

/**
 * Routes of fewer bits than this stand for the default route: some VPNs replace it by 0.0.0.0/1 and 128.0.0.0/1. They
 * are ignored, as no subnet would be free of them.
 */
const SHORTEST: Readonly<Record<4 | 6, number>> = { 4: 7, 6: 7 };

/** Of this network namespace. */
export async function hostBlocks(): Promise<HostBlocks> {
  const [routes4, routes6, resolvConf] = await Promise.all([
    readText('/proc/net/route'),
    // Missing where the kernel has no IPv6.
    readText('/proc/net/ipv6_route'),
    readText('/etc/resolv.conf'),
  ]);
  const routes = [...parseRoutes(routes4), ...parseRoutes6(routes6)];
  return {
    near: [...routes.filter(({ near }) => near).map(({ block }) => block), ...ownAddresses()],
    far: [
      ...routes.filter(({ near }) => !near).map(({ block }) => block),
      ...nameServers(resolvConf),
    ],
  };
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'EACCES')) return '';
    throw error;
  });
}

export interface Route {
  readonly block: Block;
  /** Without a router. */
  readonly near: boolean;
  /** Name of the interface. */
  readonly device: string;
}

/** A route of another interface to some or all of the addresses of a bridge's IPv4 subnet, without a router. */
export async function rivalRoute(block: Block, bridge: string): Promise<Route | undefined> {
  // A route to more than that is no rival: the kernel takes the one with the longest prefix.
  return parseRoutes(await readText('/proc/net/route')).find(
    (route) => route.near && route.device !== bridge && containsBlock(block, route.block),
  );
}

/** `/proc/net/route` (proc_net(5)): addresses are in the byte order of the machine, which is little-endian. */
export function parseRoutes(text: string): Route[] {
  const routes: Route[] = [];
  for (const line of text.split('\n').slice(1)) {
    const [device = '', destination = '', , flags = '', , , , mask = ''] = line.split('\t');
    if (!/^[0-9A-F]{8}$/.test(destination) || !/^\s*[0-9A-F]{8}\s*$/.test(mask)) continue;
    const prefix = bitsSet(reversed(mask.trim()));
    const block = blockAround({ family: 4, value: reversed(destination) }, prefix);
    if (prefix >= SHORTEST[4]) routes.push({ block, near: isNear(flags), device });
  }
  return routes;
}

/** `/proc/net/ipv6_route`: destination, its prefix length, source, its length, next hop, metric, …, flags, interface. */
export function parseRoutes6(text: string): Route[] {
  const routes: Route[] = [];
  for (const line of text.split('\n')) {
    const [destination = '', length = '', , , , , , , flags = '', device = ''] = line
      .trim()
      .split(/\s+/);
    if (!/^[0-9a-f]{32}$/.test(destination) || !/^[0-9a-f]{2}$/.test(length)) continue;
    const prefix = Number.parseInt(length, 16);
    const block = blockAround({ family: 6, value: BigInt(`0x${destination}`) }, prefix);
    if (prefix >= SHORTEST[6]) routes.push({ block, near: isNear(flags), device });
  }
  return routes;
}

function isNear(flags: string): boolean {
  return (Number.parseInt(flags, 16) & GATEWAY) === 0;
}

/** The number whose bytes are written in the opposite order. */
function reversed(hex: string): bigint {
  const bytes = hex.match(/../g) ?? [];
  return BigInt(`0x${bytes.reverse().join('')}`);
}

function bitsSet(mask: bigint): number {
  return mask.toString(2).replace(/0/g, '').length;
}

/** `nameserver` lines (resolv.conf(5)). */
export function nameServers(resolvConf: string): Block[] {
  return nameServersIn(resolvConf).flatMap((text) => {
    const address = readAddress(text.replace(/%.*$/, ''));
    return address === undefined ? [] : [blockAround(address, bitsOf(address.family))];
  });
}

function ownAddresses(): Block[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.flatMap(({ address: text, cidr }) => {
      const address = readAddress(text);
      if (address === undefined) return [];
      const prefix = Number(cidr?.split('/')[1] ?? bitsOf(address.family));
      return [blockAround(address, prefix)];
    }),
  );
}
