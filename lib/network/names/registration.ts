/**
 * What the resolver is told of a container: which networks it is on, and who may be found there by which name. The
 * other side: cpp/resolver/registration.h, which also describes the format.
 */
import { isIP, isIPv4 } from 'node:net';
import { invalid, wholeNumber } from '../../base/check.js';
import { type NamePolicy, policyBytes } from './name-policy.js';

/** A container on one network. */
export interface NetworkMembership {
  /** The network's id: hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** IPv4 and IPv6 addresses in this network, without prefix lengths. */
  readonly addresses: readonly string[];
  /** Under which it is found there: its name, short id and aliases. The first one is the answer to reverse look-ups. */
  readonly names: readonly string[];
}

/** A name server that questions are forwarded to, as seen from the host. */
export interface UpstreamServer {
  readonly address: string;
  /** Default: 53. */
  readonly port?: number;
  /** The index of the interface of a link-local IPv6 address. Default: 0, none. */
  readonly scope?: number;
}

export interface Registration {
  /** The container's long id. */
  readonly id: string;
  readonly networks: readonly NetworkMembership[];
  /** In the order in which they are asked. */
  readonly upstream: readonly UpstreamServer[];
  /** False: only names of containers are resolved, as on an internal network. */
  readonly forward: boolean;
  /** Of 127.0.0.11, on which the resolver listens. Default: 53; with `redirectDns`, RESOLVER_PORT. */
  readonly port?: number | undefined;
  /**
   * Undefined: all names are resolved, and no address is opened. A container that is registered, and whose process is
   * the same, keeps the policy that it has.
   */
  readonly policy?: NamePolicy | undefined;
}

/** A process by its pid and its start time in clock ticks: proc_pid_stat(5). */
export interface RegisteredProcess {
  readonly pid: number;
  readonly startTime: bigint;
}

/**
 * `register`: with the container's pidfd, as the step `resolver.register` sends it. `update`: of a container that is
 * registered; nothing but names, servers and the policy changes. A process: registers the container of which it is the first one.
 */
export type RegistrationKind = 'register' | 'update' | RegisteredProcess;

const MAGIC = 0x3152_4e43;
const KINDS = { register: 1, update: 2, end: 3, registerProcess: 4, policy: 5, report: 6 } as const;
const FORWARDS = 1;
const HAS_POLICY = 2;
const MAX_SIZE = 16 * 1024;
const MAX_SERVERS = 8;
const MAX_NETWORKS = 32;
const MAX_MEMBERS = 255;
/** Bytes of a name in DNS, as text (RFC 1035, 2.3.4). */
const MAX_NAME = 253;
const DNS_PORT = 53;

/** @throws ERR_INVALID_OPTION */
export function encodeRegistration(
  { id, networks, upstream, forward, port = DNS_PORT, policy }: Registration,
  kind: RegistrationKind = 'register',
): Buffer {
  if (upstream.length > MAX_SERVERS) throw tooMany('dns', upstream.length, MAX_SERVERS);
  if (networks.length > MAX_NETWORKS) throw tooMany('network', networks.length, MAX_NETWORKS);
  const isProcess = typeof kind === 'object';
  return message(
    KINDS[isProcess ? 'registerProcess' : kind],
    (forward ? FORWARDS : 0) | (policy === undefined ? 0 : HAS_POLICY),
    wholeNumber('dns', port, 1, 65_535),
    [
      idBytes(id),
      ...(isProcess ? [processBytes(kind)] : []),
      Buffer.of(upstream.length),
      ...upstream.map(serverBytes),
      Buffer.of(networks.length),
      ...networks.flatMap(networkBytes),
      ...(policy === undefined ? [] : [policyBytes(policy)]),
    ],
  );
}

/**
 * Replaces the policy of a container that is registered, and nothing else; undefined: it has none any more.
 * @throws ERR_INVALID_OPTION
 */
export function encodePolicy(id: string, policy: NamePolicy | undefined): Buffer {
  return policy === undefined
    ? message(KINDS.policy, 0, DNS_PORT, [idBytes(id)])
    : message(KINDS.policy, HAS_POLICY, DNS_PORT, [idBytes(id), policyBytes(policy)]);
}

/** Asks for the report of a container: resolver-client.ts. @throws ERR_INVALID_OPTION */
export function encodeReportRequest(id: string): Buffer {
  return message(KINDS.report, 0, DNS_PORT, [idBytes(id)]);
}

/**
 * Ends a registration before its container ends.
 * @throws ERR_INVALID_OPTION
 */
export function encodeEnd(id: string): Buffer {
  return message(KINDS.end, 0, DNS_PORT, [idBytes(id)]);
}

function processBytes({ pid, startTime }: RegisteredProcess): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(pid, 0);
  bytes.writeBigUInt64LE(startTime, 4);
  return bytes;
}

function message(kind: number, flags: number, port: number, parts: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(12);
  const bytes = Buffer.concat([head, ...parts]);
  if (bytes.length > MAX_SIZE)
    throw invalid(
      'network',
      bytes.length,
      `bytes of names and addresses are too many: the limit is ${MAX_SIZE}`,
    );
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(MAGIC, 4);
  bytes.writeUInt8(kind, 8);
  bytes.writeUInt8(flags, 9);
  bytes.writeUInt16LE(port, 10);
  return bytes;
}

function networkBytes({ id, name, addresses, names }: NetworkMembership): Uint8Array[] {
  if (addresses.length > MAX_MEMBERS) throw tooMany('ip', addresses.length, MAX_MEMBERS);
  if (names.length > MAX_MEMBERS) throw tooMany('network-alias', names.length, MAX_MEMBERS);
  return [
    idBytes(id),
    nameBytes('network', name),
    Buffer.of(addresses.length),
    ...addresses.map((address) => addressBytes('ip', address)),
    Buffer.of(names.length),
    ...names.map((one) => nameBytes('network-alias', one)),
  ];
}

function serverBytes({ address, port = DNS_PORT, scope = 0 }: UpstreamServer): Uint8Array {
  const numbers = Buffer.alloc(6);
  numbers.writeUInt16LE(wholeNumber('dns', port, 1, 65_535), 0);
  numbers.writeUInt32LE(wholeNumber('dns', scope, 0, 2 ** 31 - 1), 2);
  return Buffer.concat([addressBytes('dns', address), numbers]);
}

function idBytes(id: string): Uint8Array {
  if (!/^[0-9a-f]{1,64}$/.test(id)) throw invalid('id', id, 'is not an id');
  return text(id);
}

function nameBytes(option: string, name: string): Uint8Array {
  if (!/^[!-~]+$/.test(name) || name.length > MAX_NAME)
    throw invalid(
      option,
      name,
      'is not a name that can be resolved',
      `printable ASCII characters without spaces, at most ${MAX_NAME} of them`,
    );
  return text(name);
}

/** Its length in a byte, and its bytes. */
function text(value: string): Uint8Array {
  return Buffer.concat([Buffer.of(value.length), Buffer.from(value, 'latin1')]);
}

function addressBytes(option: string, address: string): Uint8Array {
  if (isIPv4(address)) return Buffer.of(4, ...address.split('.').map(Number));
  if (isIP(address) === 0 || address.includes('%'))
    throw invalid(option, address, 'is not an IP address');
  return Buffer.of(6, ...ipv6Bytes(address));
}

/** RFC 4291, 2.2. */
function ipv6Bytes(address: string): number[] {
  const bytesOf = (part: string | undefined): number[] =>
    part === undefined || part === ''
      ? []
      : part.split(':').flatMap((group) => {
          if (group.includes('.')) return group.split('.').map(Number);
          const number = parseInt(group, 16);
          return [number >> 8, number & 0xff];
        });
  const [before, behind] = address.split('::');
  const head = bytesOf(before);
  const tail = bytesOf(behind);
  return [...head, ...Array<number>(16 - head.length - tail.length).fill(0), ...tail];
}

function tooMany(option: string, count: number, limit: number) {
  return invalid(option, count, `are too many: the limit is ${limit}`);
}
