/** Requests to the kernel from Node itself: what is not part of a start. */
import { type FileHandle, open } from 'node:fs/promises';
import { CaissonError } from '../../base/errors.js';
import { errnoName } from '../../base/errno.js';
import type { NetlinkOutcome } from '../../native/binding.js';
import { loadNative } from '../../native/load.js';
import type { NetlinkRequest } from '../../program/network-plan.js';
import {
  type DecodedMessage,
  decodeMessages,
  type EncodedRequest,
  encodeRequest,
  NETLINK,
  type NetlinkMessage,
  type NetlinkProtocol,
  NLM_F,
} from './message.js';

export interface NetlinkOptions {
  /** The network namespace, or the path of it, such as `/proc/<pid>/ns/net`; this process's by default. */
  readonly namespace?: string | FileHandle | undefined;
  /** In place of it: the shared network of a rootless user. */
  readonly userNetwork?: UserNetwork | undefined;
  /** With `userNetwork`: the network namespace of a process there. */
  readonly process?: ProcessName | undefined;
}

/** A process, and no other one that has its pid later. */
export interface ProcessName {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat. */
  readonly startTime: string;
}

/** Where a network agent does what it is asked for, if it is not the shared network itself. */
export interface RequestPlace {
  /** In its network namespace; with `namespaceAt`: its network namespace is named in the messages there. */
  readonly process?: ProcessName | undefined;
  readonly namespaceAt?: number | undefined;
}

/**
 * The network namespace of all networks of a rootless user (../shared-network.ts), which is made when something is asked of it.
 * What is asked may be rejected with ERR_NETWORK_FAILED, ERR_NO_PRIVILEGES and ERR_LOCK_TIMEOUT.
 */
export interface UserNetwork {
  request(
    protocol: number,
    bytes: Uint8Array,
    dump: boolean,
    where?: RequestPlace,
  ): Promise<NetlinkOutcome>;
  /** @param key a path below /proc/sys/net */
  sysctl(key: string, value: string, where?: RequestPlace): Promise<void>;
  /** Resolves with 0 when a resolver listens in the directory, or with an errno. */
  startResolver(directory: string): Promise<number>;
  /** Whether there is one at this moment. */
  isThere(): Promise<boolean>;
  /** Starts again what has ended of it and is needed, and makes it if there is none. @returns what had ended */
  recover(): Promise<readonly { readonly message: string; readonly hint: string }[]>;
  /** For a supervisor. The caller closes it. */
  use(): Promise<NetworkUse>;
  /** The host's resolv.conf(5) with the name servers that are reached there. */
  resolvConf(hostResolvConf: string): Promise<string>;
}

/** A process that uses it: while `alive` is open, it does not end. */
export interface NetworkUse {
  /** Pid of the process that holds its namespaces. */
  readonly holder: number;
  readonly alive: FileHandle;
}

interface RequestOptions extends NetlinkOptions {
  /** Where an interface is made, if the request says that it is made elsewhere (`IN_NAMESPACE`). With `userNetwork`, a process. */
  readonly elsewhere?: FileHandle | ProcessName | undefined;
  /** Of the namespace, as sysctl(8) names them (`net.…`); written before. Those that the kernel does not have are left out. */
  readonly sysctls?: Readonly<Record<string, number>> | undefined;
}

/**
 * Does all that the messages ask for. Messages of rtnetlink(7) are done one by one, those of an nftables batch all or none.
 *
 * @throws ERR_NETWORK_FAILED with `errno`, the message that was refused, and the kernel's reason
 */
export async function requestNetlink(
  request: NetlinkRequest,
  { elsewhere, sysctls = {}, ...options }: RequestOptions = {},
): Promise<void> {
  const { bytes, namespaceAt } = request;
  const { userNetwork, process } = options;
  if (userNetwork !== undefined) {
    for (const [key, value] of Object.entries(sysctls))
      await userNetwork.sysctl(key.split('.').slice(1).join('/'), String(value), { process });
    const place = elsewhere !== undefined && 'pid' in elsewhere ? { process: elsewhere, namespaceAt } : { process }; // prettier-ignore
    return void dataOf(request, await userNetwork.request(request.protocol, bytes, false, place));
  }
  const settings = Object.entries(sysctls)
    .map(([key, value]) => `/proc/sys/${key.replaceAll('.', '/')}\0${value}\0`)
    .join('');
  if (namespaceAt === undefined || elsewhere === undefined || 'pid' in elsewhere)
    return void (await send(request, false, options, settings));
  const named = Buffer.from(bytes);
  named.writeInt32LE(elsewhere.fd, namespaceAt);
  await send({ ...request, bytes: named }, false, options, settings);
}

/** How often a dump is begun again because something has changed in the middle of it. */
const ATTEMPTS = 10;

/** All objects of one kind. @throws ERR_NETWORK_FAILED */
export async function dumpNetlink(
  protocol: NetlinkProtocol,
  message: NetlinkMessage,
  options: NetlinkOptions = {},
): Promise<DecodedMessage[]> {
  const request = dumpRequest(protocol, message);
  for (let attempt = 1; ; attempt++) {
    try {
      return decodeMessages(await send(request, true, options));
    } catch (error) {
      const changed = error instanceof CaissonError && error.errno === 'EINTR';
      if (!changed || attempt === ATTEMPTS) throw error;
    }
  }
}

/** The request of `dumpNetlink` for one who sends it. */
export function dumpRequest(protocol: NetlinkProtocol, message: NetlinkMessage): EncodedRequest {
  const flags = (message.flags ?? 0) | NLM_F.dump;
  return encodeRequest(protocol, [{ ...message, flags }], -1);
}

/**
 * What the kernel answers to a question about one object, for which it waits for nothing. The question is asked at once if it is
 * about this process's network namespace: a start waits for the answer.
 *
 * @throws ERR_NETWORK_FAILED
 */
export async function askNetlink(
  request: NetlinkRequest,
  options: NetlinkOptions = {},
): Promise<DecodedMessage[]> {
  const data =
    options.namespace === undefined && options.userNetwork === undefined
      ? dataOf(request, loadNative().netlinkNow(request.protocol, request.bytes))
      : await send(request, true, options);
  return decodeMessages(data);
}

async function send(
  request: NetlinkRequest,
  dump: boolean,
  { namespace, userNetwork, process }: NetlinkOptions,
  settings = '',
): Promise<Buffer> {
  const { protocol, bytes } = request;
  const opened = typeof namespace === 'string' ? await open(namespace) : undefined;
  const file = typeof namespace === 'object' ? namespace : opened;
  try {
    const outcome =
      userNetwork === undefined
        ? await loadNative().netlink(protocol, bytes, file?.fd ?? -1, dump, settings)
        : await userNetwork.request(protocol, bytes, dump, { process });
    return dataOf(request, outcome);
  } finally {
    await opened?.close();
  }
}

function dataOf({ protocol, text }: NetlinkRequest, outcome: NetlinkOutcome): Buffer {
  if (outcome.errno === 0) return outcome.data;
  const { sequence, reason, call } = outcome;
  const errno = errnoName(outcome.errno);
  const lines = text.split('\n');
  const what = lines[sequence - 1] ?? (lines.length === 1 ? text : `${lines[0] ?? ''}; …`);
  throw new CaissonError(
    'ERR_NETWORK_FAILED',
    `network: ${what}: ${reason === '' ? '' : `${reason}: `}${errno}`,
    { stage: 'config', syscall: call, errno, hint: hintForNetlink(protocol, errno, what) },
  );
}

/** @param message the text of the one that was refused. */
export function hintForNetlink(
  protocol: number,
  errno: string,
  message: string,
): string | undefined {
  if (errno === 'EPERM') return 'networks need root, or the capability CAP_NET_ADMIN';
  if (protocol !== NETLINK.netfilter) {
    const kind = errno === 'EOPNOTSUPP' ? / type (bridge|veth)\b/.exec(message)?.[1] : undefined;
    return kind && `this kernel has no interfaces of the type ${kind}: as root: modprobe ${kind}`;
  }
  // The socket, or the first message of a batch.
  if (errno === 'EPROTONOSUPPORT' || errno === 'EOPNOTSUPP')
    return 'this kernel has no nf_tables: as root: modprobe nf_tables';
  // Modules that the kernel does not find.
  if (errno !== 'ENOENT') return undefined;
  const rule = /^add rule \S+ \S+ \S+ (.*)/.exec(message)?.[1] ?? '';
  const missing = MODULES.filter(([words]) => words.test(rule)).map(([, module]) => module);
  if (message.includes(' type nat hook ')) missing.push('nft_chain_nat');
  if (message.startsWith('add rule bridge ')) missing.push('nft_meta_bridge');
  return missing.length === 0
    ? undefined
    : `a module of nf_tables may be missing: as root: modprobe -a ${missing.join(' ')}`;
}

/** Parts of rules that are in modules of their own. */
const MODULES: readonly (readonly [words: RegExp, module: string])[] = [
  [/\bfib\b/, 'nft_fib_inet'],
  [/\bct\b/, 'nft_ct'],
  [/\bdnat \w+ to\b/, 'nft_nat'],
  [/\bmasquerade\b/, 'nft_masq'],
];
