/** Published ports of a network in user mode: pasta and slirp4netns bind them, and forward what comes to them. */
import { isIPv6 } from 'node:net';
import { conflicting, unsupported } from '../base/check.js';
import { readIfThere } from '../base/storage.js';
import { isRoot } from '../host/user-namespace-ids.js';
import { checkPrivileges } from './firewall/check-forwarded.js';
import { chooseHostPorts } from './firewall/choose-ports.js';
import {
  bindingText,
  claimsOf,
  encodeClaims,
  type Endpoint,
  type PortBinding,
  type PublishedPort,
} from './firewall/port-bindings.js';
import type { NetworkConfig } from './types.js';

export interface UserPorts {
  readonly ports: readonly PublishedPort[];
  /** The same with their addresses: one, or one of each family. */
  readonly bound: readonly BoundPort[];
}

/** One socket of the host, and where it leads. */
export interface BoundPort extends PublishedPort {
  readonly hostIp: string;
}

/** Arguments of one program (cpp/host/network_helper.cpp), less those that are not for ports. */
const MOST = 400;

/**
 * Checks the ports, and chooses those that are free to choose.
 *
 * @param chooses otherwise, they are left out
 * @throws ERR_UNSUPPORTED_OPTION, ERR_CONFLICTING_OPTIONS, ERR_NETWORK_FAILED of a port that the program may not bind,
 *   ERR_PORT_IN_USE
 */
export async function planUserPorts(
  { network, networkOptions, ports: bindings, userns }: NetworkConfig,
  chooses: boolean,
): Promise<UserPorts> {
  const families =
    network === 'pasta' ? pastaFamilies(networkOptions.split(','), hasIpv6Route()) : IPV4;
  checkBindings(network, bindings, families);
  const ports = chooses
    ? await chooseHostPorts(families, bindings)
    : (bindings.filter(({ hostPort }) => typeof hostPort === 'number') as PublishedPort[]);
  if (network === 'pasta') checkNumbers(ports);
  // The machine's root keeps this right only with the host's users. Rootless, it is no one's.
  if (!isRoot() || userns !== 'host') checkPrivileges(network, ports);
  const bound = ports.flatMap((port) =>
    claimsOf(families, port).map(({ address }) => ({ ...port, hostIp: address })),
  );
  return { ports, bound };
}

/** As `port.bind` has them. */
export function encodePorts({ bound }: UserPorts): ReturnType<typeof encodeClaims> | undefined {
  if (bound.length === 0) return undefined;
  const claims = bound.map(({ hostIp, hostPort, protocol }) => ({
    address: hostIp,
    port: hostPort,
    protocol,
  }));
  return encodeClaims(claims);
}

const IPV4: Endpoint = { ipv4: '0.0.0.0' };
const IPV6: Endpoint = { ipv6: '::' };

/** The families that pasta has: of its options, and it leaves out IPv6 where the host has no default route of it. */
export function pastaFamilies(options: readonly string[], hasRoute: boolean): Endpoint {
  const has = (...names: string[]) => names.some((name) => options.includes(name));
  if (has('-6', '--ipv6-only')) return IPV6;
  return hasRoute && !has('-4', '--ipv4-only') ? { ...IPV4, ...IPV6 } : IPV4;
}

/** proc_net(5): the kernel's own route that rejects everything is one of `lo`. */
function hasIpv6Route(): boolean {
  const routes = readIfThere('/proc/net/ipv6_route') ?? '';
  return /^0{32} 00 (?!.*\slo$)/m.test(routes);
}

function checkBindings(
  network: string,
  bindings: readonly PortBinding[],
  families: Endpoint,
): void {
  if (bindings.length > MOST)
    throw unsupported('ports', bindings.length, `are more than ${network} is given here`, `up to ${MOST}`); // prettier-ignore
  for (const binding of bindings) {
    const text = bindingText(binding);
    if (binding.protocol === 'sctp')
      throw unsupported('ports', text, `is not supported: ${network} does not forward SCTP`, 'a network with a bridge'); // prettier-ignore
    const { hostIp } = binding;
    if (hostIp === undefined) continue;
    const family = isIPv6(hostIp) ? 'ipv6' : 'ipv4';
    if (families[family] !== undefined) continue;
    throw unsupported(
      'ports',
      text,
      `has an address of ${family === 'ipv6' ? 'IPv6' : 'IPv4'}, which the network does not have`,
      network === 'pasta'
        ? 'pasta has IPv6 if the host has a default route of it'
        : 'network: "pasta"',
    );
  }
}

/** pasta knows one port of the container for each port of the host, whatever its address. */
function checkNumbers(ports: readonly PublishedPort[]): void {
  const seen = new Set<string>();
  for (const port of ports) {
    const key = `${port.hostPort}/${port.protocol}`;
    if (seen.has(key))
      throw conflicting('ports', `${bindingText(port)}: pasta publishes a port of the host at one address, or at all of them`); // prettier-ignore
    seen.add(key);
  }
}

/** pasta(1): `-t [ADDRESS/]PORT:PORT`. A port of all addresses of all families has none. */
export function pastaArguments({ ports, bound }: UserPorts): string[] {
  return ports.map(({ hostPort, containerPort, protocol }) => {
    const same = bound.filter((port) => port.hostPort === hostPort && port.protocol === protocol);
    const address = same.length === 1 ? `${same[0]?.hostIp ?? ''}/` : '';
    return `-${protocol === 'tcp' ? 't' : 'u'}${address}${hostPort}:${containerPort}`;
  });
}

/** slirp4netns(1), "API SOCKET"; by default to the address that it has configured. */
export function slirpRequests({ bound }: UserPorts): string[] {
  return bound.map(({ hostIp, hostPort, containerPort, protocol }) =>
    JSON.stringify({
      execute: 'add_hostfwd',
      arguments: {
        proto: protocol,
        host_addr: hostIp,
        host_port: hostPort,
        guest_port: containerPort,
      },
    }),
  );
}
