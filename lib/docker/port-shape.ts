/** Published ports as Docker shows them. */
import { type ExposedPort, normalizePorts, portsOfContainer } from '../engine/options/ports.js';
import type { RunOptions } from '../engine/options/options.js';
import type { PortInfo } from '../engine/store/stored.js';
import { addFields } from './api-fields.js';

/** A map of Docker's API, by `80/tcp`. Go sorts the keys of a map. */
type PortMap<T> = Readonly<Record<string, T>>;

/** Whether a port of the host leads to it or not. */
type ShownPort = PortInfo | (ExposedPort & { readonly hostIp?: never; readonly hostPort?: never });

function byPort<T extends ExposedPort>(
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
export function publishedPorts(
  ports: readonly PortInfo[],
  exposed: readonly ExposedPort[] = [],
): PortMap<readonly object[] | null> {
  const bindings = byPort<ShownPort>([...ports, ...exposed]).map(([key, each]) => {
    const list = each.flatMap(({ hostIp, hostPort }) =>
      hostIp === undefined ? [] : [portBinding(hostIp, String(hostPort))],
    );
    return [key, list.length === 0 ? null : list] as const;
  });
  return Object.fromEntries(bindings);
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
  const ports = byPort(portsOfContainer(options.ports, options.expose));
  return ports.length === 0 ? undefined : Object.fromEntries(ports.map(([key]) => [key, {}]));
}

/** Go's net.JoinHostPort. */
export function joinHostPort(host: string, port: number | string): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * The PORTS column: ports that are the same on the host and in the container, or that are not published, and follow each
 * other, are one range (docker/cli, cli/command/formatter/container.go). Ports that differ come last.
 */
export function portsText(
  ports: readonly PortInfo[],
  exposed: readonly ExposedPort[] = [],
): string {
  const ranges: string[] = [];
  const others: string[] = [];
  const open = new Map<string, { readonly first: ShownPort; last: number }>();
  const all: readonly ShownPort[] = [...ports, ...exposed];
  for (const port of [...all].sort(comparePorts)) {
    const { hostIp, hostPort, containerPort, protocol } = port;
    if (hostIp !== undefined && hostPort !== containerPort) {
      others.push(`${joinHostPort(hostIp, hostPort)}->${containerPort}/${protocol}`);
      continue;
    }
    const key = `${hostIp ?? ''}/${protocol}`;
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

function rangeText({ hostIp, containerPort, protocol }: ShownPort, last: number): string {
  const range = last === containerPort ? String(last) : `${containerPort}-${last}`;
  const leads = hostIp === undefined ? '' : `${joinHostPort(hostIp, range)}->`;
  return `${leads}${range}/${protocol}`;
}

function comparePorts(a: ShownPort, b: ShownPort): number {
  return (
    a.containerPort - b.containerPort ||
    compareTexts(a.hostIp ?? '', b.hostIp ?? '') ||
    (a.hostPort ?? 0) - (b.hostPort ?? 0) ||
    compareTexts(a.protocol, b.protocol)
  );
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
