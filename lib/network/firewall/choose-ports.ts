/** Free ports of the host for those that name none. Another process may take one before `port.bind` does, which then fails. */
import { createSocket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, isIPv4 } from 'node:net';
import { isErrno } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';
import {
  bindingText,
  claimsOf,
  claimText,
  type Endpoint,
  type PortBinding,
  type PortClaim,
  type PublishedPort,
} from './port-bindings.js';

/** The range that the kernel chooses from, too: ip(7). */
const RANGE_FILE = '/proc/sys/net/ipv4/ip_local_port_range';
/** Its default, for a kernel that does not tell. */
const DEFAULT_RANGE = [32_768, 60_999] as const;
/** How many of the range are tried, at random. */
const ATTEMPTS = 100;

/**
 * A port of a range is the first free one, as Docker has it; any port is one at random of the kernel's range.
 *
 * @throws ERR_PORT_IN_USE if none is free
 */
export async function chooseHostPorts(
  endpoint: Endpoint,
  bindings: readonly PortBinding[],
): Promise<PublishedPort[]> {
  const taken = new Set<string>();
  const take = (claims: readonly PortClaim[]) => {
    for (const claim of claims) taken.add(claimText(claim));
  };
  for (const binding of bindings) if (isFixed(binding)) take(claimsOf(endpoint, binding));
  const chosen: PublishedPort[] = [];
  for (const binding of bindings) {
    if (isFixed(binding)) {
      chosen.push(binding);
      continue;
    }
    const port = await chooseHostPort(endpoint, binding, taken);
    take(claimsOf(endpoint, port));
    chosen.push(port);
  }
  return chosen;
}

function isFixed(binding: PortBinding): binding is PublishedPort {
  return typeof binding.hostPort === 'number';
}

async function chooseHostPort(
  endpoint: Endpoint,
  binding: PortBinding,
  taken: ReadonlySet<string>,
): Promise<PublishedPort> {
  for await (const hostPort of candidates(binding.hostPort)) {
    const published = { ...binding, hostPort };
    const claims = claimsOf(endpoint, published);
    if (claims.some((claim) => taken.has(claimText(claim)))) continue;
    const free = await Promise.all(claims.map(isFree));
    if (free.every(Boolean)) return published;
  }
  throw new CaissonError(
    'ERR_PORT_IN_USE',
    `ports: ${bindingText(binding)}: all ports are allocated`,
    { stage: 'config', path: 'ports' },
  );
}

async function* candidates(wanted: PortBinding['hostPort']): AsyncGenerator<number> {
  if (typeof wanted === 'object') {
    for (let port = wanted[0]; port <= wanted[1]; port++) yield port;
    return;
  }
  const [first, last] = await localPortRange();
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) yield randomInt(first, last + 1);
}

async function localPortRange(): Promise<readonly [number, number]> {
  const text = await readFile(RANGE_FILE, 'utf8').catch(() => '');
  const [first = 0, last = 0] = text.trim().split(/\s+/).map(Number);
  return first > 0 && last >= first && last <= 65_535 ? [first, last] : DEFAULT_RANGE;
}

/** An address that cannot be bound for another reason is left to the start, whose error says so. */
async function isFree({ address, port, protocol }: PortClaim): Promise<boolean> {
  if (protocol === 'sctp') return true;
  try {
    await (protocol === 'tcp' ? listenOnce : bindOnce)(address, port);
    return true;
  } catch (error) {
    return !isErrno(error, 'EADDRINUSE');
  }
}

function listenOnce(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ host, port, exclusive: true, ipv6Only: true }, () => {
      server.close(() => {
        resolve();
      });
    });
  });
}

function bindOnce(address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const type = isIPv4(address) ? 'udp4' : 'udp6';
    const socket = createSocket({ type, ipv6Only: type === 'udp6' });
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address, port, exclusive: true }, () => {
      socket.close(() => {
        resolve();
      });
    });
  });
}
