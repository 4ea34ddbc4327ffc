/** Published ports as Docker shows them. */
import { normalizeExpose, normalizePorts } from '../engine/options/ports.js';
import type { RunOptions } from '../engine/options/options.js';
import type { PortInfo } from '../engine/store/stored.js';
import { addFields } from './api-fields.js';

/** A map of Docker's API, by `80/tcp`. Go sorts the keys of a map. */
type PortMap<T> = Readonly<Record<string, T>>;

function byPort<T extends Pick<PortInfo, 'containerPort' | 'protocol'>>(
  ports: readonly T[],
): readonly (readonly [key: string, ports: readonly T[]])[] {
  const found = new Map<string, T[]>();
  for (const port of ports) {
    const key = `${port.containerPort}/${port.protocol}`;
    const list = found.get(key);
    if (list === undefined) found.set(key, [port]);
    else list.push(port);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** `NetworkSettings.Ports` */
export function publishedPorts(ports: readonly PortInfo[]): PortMap<readonly object[]> {
  const bindings = byPort(ports).map(([key, each]) => [
    key,
    each.map(({ hostIp, hostPort }) => portBinding(hostIp, String(hostPort))),
  ]);
  return Object.fromEntries(bindings) as PortMap<readonly object[]>;
}

/** `HostConfig.PortBindings`: as they were asked for. */
export function portBindings(options: RunOptions): PortMap<readonly object[]> {
  const bindings = byPort(normalizePorts(options.ports)).map(([key, each]) => [
    key,
    each.map(({ hostIp = '', hostPort = '' }) =>
      portBinding(hostIp, typeof hostPort === 'object' ? hostPort.join('-') : String(hostPort)),
    ),
  ]);
  return Object.fromEntries(bindings) as PortMap<readonly object[]>;
}

function portBinding(hostIp: string, hostPort: string): object {
  return addFields('PortBinding', { HostIp: hostIp, HostPort: hostPort });
}

/** `Config.ExposedPorts`; undefined if there is none. */
export function exposedPorts(options: RunOptions): PortMap<object> | undefined {
  const ports = byPort([...normalizePorts(options.ports), ...normalizeExpose(options.expose)]);
  return ports.length === 0 ? undefined : Object.fromEntries(ports.map(([key]) => [key, {}]));
}

/** Go's net.JoinHostPort. */
export function joinHostPort(host: string, port: number | string): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * The PORTS column: ports that are the same on the host and in the container, and follow each other, are one range (docker/cli,
 * cli/command/formatter/container.go). Ports that differ come last.
 */
export function portsText(ports: readonly PortInfo[]): string {
  const ranges: string[] = [];
  const others: string[] = [];
  const open = new Map<string, { readonly first: PortInfo; last: number }>();
  for (const port of [...ports].sort(comparePorts)) {
    const { hostIp, hostPort, containerPort, protocol } = port;
    if (hostPort !== containerPort) {
      others.push(`${joinHostPort(hostIp, hostPort)}->${containerPort}/${protocol}`);
      continue;
    }
    const key = `${hostIp}/${protocol}`;
    const range = open.get(key);
    if (range?.last === containerPort - 1) {
      range.last = containerPort;
      continue;
    }
    if (range !== undefined) ranges.push(rangeText(range.first, range.last));
    // A range keeps the place of the first one of its address.
    open.set(key, { first: port, last: containerPort });
  }
  for (const { first, last } of open.values()) ranges.push(rangeText(first, last));
  return [...ranges, ...others].join(', ');
}

function rangeText({ hostIp, containerPort, protocol }: PortInfo, last: number): string {
  const range = last === containerPort ? String(last) : `${containerPort}-${last}`;
  return `${joinHostPort(hostIp, range)}->${range}/${protocol}`;
}

function comparePorts(a: PortInfo, b: PortInfo): number {
  return (
    a.containerPort - b.containerPort ||
    compareTexts(a.hostIp, b.hostIp) ||
    a.hostPort - b.hostPort ||
    compareTexts(a.protocol, b.protocol)
  );
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
