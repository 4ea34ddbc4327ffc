/** Published ports, before and after a port of the host is chosen, and the sockets that keep it. */
import { isIPv4 } from 'node:net';
import { addressBytes } from '../../base/ip-address.js';
import { be16 } from '../netlink/message.js';
import type { IpFamily } from './nft-expressions.js';

/** Of a port. */
export type Protocol = 'tcp' | 'udp' | 'sctp';
/** IANA's numbers. */
export const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

/** As it is asked for. */
export interface PortBinding {
  /** Of all addresses of the host by default; `0.0.0.0` and `::` are all of one family. In the form of RFC 5952. */
  readonly hostIp?: string | undefined;
  /** The first and the last of those from which a free one is chosen; undefined: any. */
  readonly hostPort?: number | readonly [first: number, last: number] | undefined;
  readonly containerPort: number;
  readonly protocol: Protocol;
}

/** As it is made. */
export interface PublishedPort extends PortBinding {
  readonly hostPort: number;
}

/** The addresses of a container in the network that its ports are published by. */
export interface Endpoint {
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
}

/** One socket of the host. */
export interface PortClaim {
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
}

const ANY = { ipv4: '0.0.0.0', ipv6: '::' } as const satisfies Record<IpFamily, string>;

/** The sockets of a published port: one, or one of each family that the container has an address of. */
export function claimsOf(
  endpoint: Endpoint,
  { hostIp, hostPort, protocol }: PublishedPort,
): PortClaim[] {
  const addresses =
    hostIp === undefined
      ? (['ipv4', 'ipv6'] as const)
          .filter((family) => endpoint[family] !== undefined)
          .map((family) => ANY[family])
      : [hostIp];
  return addresses.map((address) => ({ address, port: hostPort, protocol }));
}

/** The first and the second text of a step. */
export interface EncodedClaims {
  readonly text: string;
  readonly bytes: Buffer;
}

/** Of `port.bind` (cpp/host/ports.cpp). */
export function encodeClaims(claims: readonly PortClaim[]): EncodedClaims {
  return {
    text: claims.map(claimText).join('\n'),
    bytes: Buffer.concat(claims.map(portBytes)),
  };
}

/**
 * Of `port.forward` (cpp/host/forwarded_ports.cpp): each with the container's port that it leads to.
 *
 * @param leads otherwise they are bound, and lead nowhere
 */
export function encodeForwards(
  endpoint: Endpoint,
  ports: readonly PublishedPort[],
  leads = true,
): EncodedClaims {
  const forwards = ports.flatMap((port) =>
    claimsOf(endpoint, port).map((claim) => {
      const { containerPort, protocol } = port;
      const address = targetOf(endpoint, claim);
      return { claim, target: { address, port: containerPort, protocol } };
    }),
  );
  return {
    text: forwards.map(({ claim }) => claimText(claim)).join('\n'),
    bytes: Buffer.concat(
      forwards.flatMap(({ claim, target }) => [
        portBytes(claim),
        leads ? portBytes(target) : Buffer.alloc(PORT_BYTES),
      ]),
    ),
  };
}

/** A container without an address of the family is reached by its other one. */
function targetOf({ ipv4, ipv6 }: Endpoint, { address }: PortClaim): string {
  const [same, other] = isIPv4(address) ? [ipv4, ipv6] : [ipv6, ipv4];
  const target = same ?? other;
  if (target === undefined) throw new Error('the container has no address');
  return target;
}

const PORT_BYTES = 20;

/** `PortAddress` of cpp/base/forwarded_port.h */
function portBytes({ address, port, protocol }: PortClaim): Buffer {
  const bytes = addressBytes(address);
  const version = bytes.length === 4 ? 4 : 6;
  return Buffer.concat([
    Buffer.of(PROTOCOL_NUMBERS[protocol], version),
    be16(port),
    bytes,
    Buffer.alloc(16 - bytes.length),
  ]);
}

/** As Docker writes it: `0.0.0.0:80/tcp`, `[::]:80/tcp`. */
export function claimText({ address, port, protocol }: PortClaim): string {
  return `${hostText(address)}:${port}/${protocol}`;
}

/** In the syntax of `--publish`. */
export function bindingText({ hostIp, hostPort, containerPort, protocol }: PortBinding): string {
  const port =
    hostPort === undefined || typeof hostPort === 'number' ? (hostPort ?? '') : hostPort.join('-');
  const address = hostIp === undefined ? '' : `${hostText(hostIp)}:`;
  const host = address === '' && port === '' ? '' : `${address}${port}:`;
  return `${host}${containerPort}/${protocol}`;
}

function hostText(address: string): string {
  return isIPv4(address) ? address : `[${address}]`;
}
