/** `--publish`: ports of the host that lead to ports of the container. */
import { isIP, isIPv4 } from 'node:net';
import { boolean, conflicting, invalid, isRecord, show, wholeNumber } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import { addressBytes, addressText } from '../../base/ip-address.js';
import {
  bindingText,
  type PortBinding,
  PROTOCOL_NUMBERS,
  type Protocol,
} from '../../network/firewall/port-bindings.js';

/** A published port, or several with a range in the text. */
export type PortOption = string | PortOptions;

/** The parts of a published port. */
export interface PortOptions {
  /** 1 to 65535. */
  readonly containerPort: number;
  /** A port, 1 to 65535, or the first and the last of those from which a free one is chosen. Any free one by default, and for 0. */
  readonly hostPort?: number | readonly [first: number, last: number] | undefined;
  /** Default: `tcp`. */
  readonly protocol?: Protocol | undefined;
  /** The address of the host; `0.0.0.0` and `::` are all of one family. Default: all. */
  readonly hostIp?: string | undefined;
}

/** A port of the container, or several: `80`, `53/udp`, `8000-8010`. */
export type ExposeOption = string | number;

const OPTION = 'ports';
const HIGHEST = 65_535;
/** What the teardown of a container may have (cpp/program/journal.h: kMaxJournalled), at some 150 bytes for each port. */
const MAX_PORTS = 4096;
const NONE: readonly PortBinding[] = Object.freeze([]);
const FORM = '[address:][port of the host[-last]:]port of the container[-last][/tcp|udp|sctp]';

/**
 * Docker's syntax (go-connections, nat.ParsePortSpec), or objects.
 *
 * @throws ERR_INVALID_OPTION in Docker's words, ERR_UNSUPPORTED_OPTION, ERR_CONFLICTING_OPTIONS of a port that is published twice
 */
export function normalizePorts(
  value: readonly PortOption[] | undefined,
  expose?: readonly ExposeOption[],
  publishAll?: boolean,
): readonly PortBinding[] {
  const exposed = normalizeExpose(expose);
  const all = publishAll !== undefined && boolean('publishAll', publishAll) ? exposed : [];
  const bindings = normalizePublish(value);
  const unpublished = all.filter((port) => !bindings.some((binding) => isSamePort(binding, port)));
  return unpublished.length === 0 ? bindings : [...bindings, ...unpublished];
}

/** A port of a container. */
export type ExposedPort = Pick<PortBinding, 'containerPort' | 'protocol'>;

export function isSamePort(a: ExposedPort, b: ExposedPort): boolean {
  return a.containerPort === b.containerPort && a.protocol === b.protocol;
}

/** Each port once. @throws ERR_INVALID_OPTION in Docker's words (docker/cli, cli/command/container/opts.go) */
export function normalizeExpose(
  value: readonly ExposeOption[] | undefined,
): readonly ExposedPort[] {
  if (value === undefined) return [];
  const refuse = (given: unknown, why: string) => malformed(given, why, 'expose', EXPOSE_FORM);
  if (!Array.isArray(value)) throw refuse(value, 'is not an array');
  const found: ExposedPort[] = [];
  for (const given of value as readonly unknown[]) {
    if (typeof given !== 'string' && typeof given !== 'number')
      throw refuse(given, 'is neither a text nor a number');
    const text = String(given);
    const [range = '', protocolText = '', ...rest] = text.split('/');
    const protocol = protocolText === '' ? 'tcp' : protocolText.toLowerCase();
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? first);
    if (match === null || rest.length > 0 || first < 1 || last < first || last > HIGHEST)
      throw refuse(given, `invalid range format for --expose: ${text}`);
    if (!Object.hasOwn(PROTOCOL_NUMBERS, protocol)) throw refuse(given, `invalid proto: ${protocol}`); // prettier-ignore
    for (const containerPort of sequence(first, last)) {
      const port = { containerPort, protocol: protocol as Protocol };
      if (!found.some((other) => isSamePort(other, port))) found.push(port);
    }
  }
  return found;
}

/** All of a container's: what is published is exposed, too. Each once. */
export function portsOfContainer(
  ports: readonly PortOption[] | undefined,
  expose: readonly ExposeOption[] | undefined,
): readonly ExposedPort[] {
  const found = new Map<string, ExposedPort>();
  for (const { containerPort, protocol } of [...normalizePorts(ports), ...normalizeExpose(expose)])
    found.set(`${containerPort}/${protocol}`, { containerPort, protocol });
  return [...found.values()];
}

const EXPOSE_FORM = 'port of the container[-last][/tcp|udp|sctp]';

function normalizePublish(value: readonly PortOption[] | undefined): readonly PortBinding[] {
  if (value === undefined) return NONE;
  if (!Array.isArray(value)) throw malformed(value, 'is not an array');
  const bindings = (value as readonly unknown[]).flatMap((item) =>
    typeof item === 'string' ? parsePort(item) : [readPort(item)],
  );
  if (bindings.length > MAX_PORTS)
    throw invalid(OPTION, bindings.length, `are too many: a container publishes ${MAX_PORTS} ports at most`); // prettier-ignore
  const seen = new Map<string, PortBinding[]>();
  for (const binding of bindings) {
    if (typeof binding.hostPort !== 'number') continue;
    const key = `${binding.hostPort}/${binding.protocol}`;
    const same = seen.get(key) ?? [];
    if (same.some((other) => shareAddress(other.hostIp, binding.hostIp)))
      throw conflicting(OPTION, `${bindingText(binding)}: the port of the host is published twice`); // prettier-ignore
    seen.set(key, [...same, binding]);
  }
  return bindings;
}

/** Undefined is all addresses of the host. */
function shareAddress(a: string | undefined, b: string | undefined): boolean {
  if (a === b || a === undefined || b === undefined) return true;
  return isIPv4(a) === isIPv4(b) && (ALL.has(a) || ALL.has(b));
}

const ALL: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** One text; several bindings where it has a range of container ports. */
function parsePort(text: string): PortBinding[] {
  const parts = text.split(':');
  const [container = '', ...protocols] = (parts.pop() ?? '').split('/');
  const host = parts.pop() ?? '';
  if (container === '') throw malformed(text, `no port specified: ${text}<empty>`);
  const protocol = readProtocol(text, protocols.join('/'));
  const hostIp = readHostIp(text, parts.join(':'));
  const [first, last] = readRange(text, 'containerPort', container, 1);
  if (host === '') {
    return sequence(first, last).map((containerPort) => ({
      ...hostIp,
      containerPort,
      protocol,
    }));
  }
  const [hostFirst, hostLast] = readRange(text, 'hostPort', host, 0);
  if (first === last)
    return [
      { ...hostIp, ...hostPortOf(text, hostFirst, hostLast), containerPort: first, protocol },
    ];
  if (last - first !== hostLast - hostFirst)
    throw malformed(
      text,
      `invalid ranges specified for container and host Ports: ${container} and ${host}`,
    );
  if (hostFirst === 0) throw malformed(text, `invalid hostPort: ${host}`);
  return sequence(first, last).map((containerPort, at) => ({
    ...hostIp,
    hostPort: hostFirst + at,
    containerPort,
    protocol,
  }));
}

/** A range of host ports for one container port is a choice. */
function hostPortOf(text: string, first: number, last: number): Pick<PortBinding, 'hostPort'> {
  if (first !== last) {
    if (first === 0) throw malformed(text, `invalid hostPort: ${first}-${last}`);
    return { hostPort: [first, last] };
  }
  return first === 0 ? {} : { hostPort: first };
}

function sequence(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

function readRange(
  text: string,
  what: 'containerPort' | 'hostPort',
  range: string,
  least: number,
): [first: number, last: number] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range);
  const first = Number(match?.[1]);
  const last = match?.[2] === undefined ? first : Number(match[2]);
  if (match === null || first < least || last < first || last > HIGHEST)
    throw malformed(text, `invalid ${what}: ${range}`);
  return [first, last];
}

function readProtocol(given: unknown, text: string): Protocol {
  const protocol = text === '' ? 'tcp' : text.toLowerCase();
  if (!Object.hasOwn(PROTOCOL_NUMBERS, protocol))
    throw malformed(given, `invalid proto: ${protocol}`);
  return protocol as Protocol;
}

function readHostIp(given: unknown, text: string): Pick<PortBinding, 'hostIp'> {
  if (text === '') return {};
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (isIP(bare) === 0 || bare.includes('%')) throw malformed(given, `invalid IP address: ${text}`);
  const bytes = addressBytes(bare);
  return { hostIp: addressText(isMapped(bytes) ? bytes.subarray(12) : bytes) };
}

/** An address of IPv4 in the notation of IPv6: ::ffff:0:0/96. */
function isMapped(bytes: Buffer): boolean {
  return bytes.length === 16 && bytes.readBigUInt64BE(0) === 0n && bytes.readUInt32BE(8) === 0xffff;
}

function readPort(value: unknown): PortBinding {
  if (!isRecord(value)) throw malformed(value, 'is neither a text nor an object');
  const { containerPort, hostPort, protocol, hostIp } = value as Partial<
    Record<keyof PortOptions, unknown>
  >;
  return {
    ...(hostIp === undefined ? {} : readHostIp(value, requireText(value, 'hostIp', hostIp))),
    ...readHostPort(value, hostPort),
    containerPort: wholeNumber(`${OPTION} containerPort`, containerPort, 1, HIGHEST),
    protocol:
      protocol === undefined
        ? 'tcp'
        : readProtocol(value, requireText(value, 'protocol', protocol)),
  };
}

function readHostPort(given: unknown, value: unknown): Pick<PortBinding, 'hostPort'> {
  if (value === undefined) return {};
  const list: readonly unknown[] = Array.isArray(value) ? value : [value, value];
  const [first, last] = list.map((each) => wholeNumber(`${OPTION} hostPort`, each, 0, HIGHEST));
  if (list.length !== 2 || first === undefined || last === undefined || last < first)
    throw malformed(given, `invalid hostPort: ${show(value)}`);
  return hostPortOf(show(given), first, last);
}

function requireText(given: unknown, field: string, value: unknown): string {
  if (typeof value !== 'string') throw malformed(given, `${field} is not a string`);
  return value;
}

function malformed(value: unknown, why: string, option = OPTION, hint = FORM): CaissonError {
  return new CaissonError('ERR_INVALID_OPTION', `${option}: ${show(value)}: ${why}`, {
    stage: 'config',
    path: option,
    hint,
  });
}
