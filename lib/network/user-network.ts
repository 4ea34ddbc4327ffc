/**
 * `--network pasta[:OPT,…]` and `slirp4netns[:OPT=value,…]`, in podman's spelling: a program beside the container
 * passes on what goes over a tap device in its network namespace, by sockets of an ordinary process of the host's.
 * Loaded only for a container that asks for it (docs/decisions/0013-network-in-user-mode.md).
 */
import { stat } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { CaissonError } from '../base/errors.js';
import type { HelperPlan } from '../program/launch-input.js';
import { splitAssignment } from '../base/assignment.js';
import { isLoopback } from '../base/ip-address.js';
import { nameServersIn } from '../base/resolv-conf.js';
import { invalid, unsupported } from '../base/check.js';
import { findProgram, isRoot } from '../host/user-namespace-ids.js';
import type { NetworkConfig } from './types.js';
import {
  encodePorts,
  pastaArguments,
  planUserPorts,
  type BoundPort,
  slirpRequests,
  type UserPorts,
} from './user-ports.js';

export interface UserNetwork {
  readonly helper: HelperPlan;
  /** The container's /etc/resolv.conf, before what was asked of it. */
  readonly resolvConf: string;
  /** The ports of the host that lead to it while it runs. */
  readonly published: readonly BoundPort[];
}

/** What of it needs no look at the machine. */
export interface NetworkPlan extends Pick<UserNetwork, 'resolvConf'> {
  readonly helper: Omit<HelperPlan, 'path'>;
}

type Mode = 'pasta' | 'slirp4netns';

/** In place of the path that is known only when the container is there. */
const NAMESPACE = 'NETNS';

/** The same of slirp4netns's socket. */
const SOCKET = 'SOCKET';

const NO_PORTS: UserPorts = Object.freeze({ ports: [], bound: [] });

/** As podman: where pasta passes on what is asked of the host's own name server. */
const PASTA_DNS = '169.254.1.1';

/** Bytes; podman's, and the largest that is a multiple of four. */
const SLIRP_MTU = 65_520;
const SLIRP_MAX_MTU = 65_521;
const SLIRP_CIDR = '10.0.2.0/24';

/** resolv.conf(5), MAXNS. */
const MAX_NAMESERVERS = 3;

/**
 * pasta(1): those that shape the network. True: takes a value. What writes files or changes identities is not among
 * them.
 */
const PASTA_OPTIONS: ReadonlyMap<string, boolean> = new Map([
  ...(
    '-m --mtu -a --address -n --netmask -M --mac-addr -g --gateway -i --interface -o --outbound --outbound-if4 ' +
    '--outbound-if6 -D --dns --dns-forward --dns-host -I --ns-ifname --ns-mac-addr -t --tcp-ports -u --udp-ports -T --tcp-ns ' +
    '-U --udp-ns --map-host-loopback --map-guest-addr'
  )
    .split(' ')
    .map((name): [string, boolean] => [name, true]),
  ...(
    '-4 --ipv4-only -6 --ipv6-only --no-tcp --no-udp --no-icmp --no-dhcp --no-ndp --no-dhcpv6 --no-ra --no-map-gw --map-gw ' +
    '--host-lo-to-ns-lo --no-splice'
  )
    .split(' ')
    .map((name): [string, boolean] => [name, false]),
]);

/** Forwarding of ports, which pasta does by itself unless told otherwise: nothing of it unasked, as podman has it. */
const PASTA_PORTS: readonly (readonly [short: string, long: string])[] = [
  ['-t', '--tcp-ports'],
  ['-u', '--udp-ports'],
  ['-T', '--tcp-ns'],
  ['-U', '--udp-ns'],
];

/**
 * @param starts ports of the host are chosen for it
 * @throws before anything has been made: ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION, ERR_NETWORK_FAILED, and of ports
 *   ERR_CONFLICTING_OPTIONS, ERR_PORT_IN_USE
 */
export async function userNetwork(
  config: NetworkConfig,
  hostResolvConf: string,
  starts: boolean,
): Promise<UserNetwork> {
  const mode = config.network as Mode;
  // Its options are checked before its ports are chosen.
  planNetwork(config, hostResolvConf);
  const ports = await planUserPorts(config, starts);
  const { helper, resolvConf } = planNetwork(config, hostResolvConf, ports);
  const path = await findProgram(mode);
  if (path === undefined) throw failed(`${mode} is not installed`, mode, installs(mode));
  await checkTun(mode, config.userns);
  return { helper: { path, ...helper }, resolvConf, published: ports.bound };
}

/** @throws ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION */
export function planNetwork(
  { network, networkOptions, userns }: NetworkConfig,
  hostResolvConf: string,
  ports: UserPorts = NO_PORTS,
): NetworkPlan {
  const given = networkOptions === '' ? [] : networkOptions.split(',');
  const { nameservers, ...program } =
    network === 'pasta' ? pasta(given, hostResolvConf, userns, ports) : slirp(given, ports);
  return {
    // Of what was asked nothing comes after it.
    helper: {
      ...program,
      namespaceAt: program.args.lastIndexOf(NAMESPACE),
      ports: encodePorts(ports),
    },
    resolvConf: resolvConf(nameservers, hostResolvConf),
  };
}

/** What gives it: also in lib/info/abilities.ts. */
function installs(mode: Mode): string {
  return `apt install ${mode === 'pasta' ? 'passt' : mode}`;
}

type Asked = Pick<HelperPlan, 'args' | 'ready' | 'requests' | 'socketAt'> & {
  readonly nameservers: readonly string[];
};

function pasta(
  given: readonly string[],
  hostResolvConf: string,
  userns: NetworkConfig['userns'],
  ports: UserPorts,
): Asked {
  // The host's root, who has the right to the namespace of a container with the host's users, is what pasta would else
  // cease to be.
  const args = isRoot() && userns === 'host' ? ['--runas', '0'] : [];
  const seen = new Map<string, string[]>();
  for (let at = 0; at < given.length; at++) {
    const { name, value: inline } = splitAssignment(given[at] ?? '');
    const takesValue = PASTA_OPTIONS.get(name);
    if (takesValue === undefined)
      throw invalid(
        'network',
        name,
        'is not an option of pasta(1) that a container can have',
        [...PASTA_OPTIONS.keys()].filter((known) => known.startsWith('--')).join(' '),
      );
    let value = inline;
    if (takesValue) value ??= given[++at];
    if (takesValue ? value === undefined || value === '' : value !== undefined)
      throw invalid('network', name, takesValue ? 'needs a value' : 'takes no value');
    seen.set(name, [...(seen.get(name) ?? []), value ?? '']);
    // podman's word for the absence of --no-map-gw, which is not one of pasta's.
    if (name !== '--map-gw' && name !== '--no-map-gw')
      args.push(name, ...(value === undefined ? [] : [value]));
  }
  const published = pastaArguments(ports);
  for (const [short, long] of PASTA_PORTS) {
    const isPublished = published.some((argument) => argument.startsWith(short));
    if (!isPublished && !seen.has(short) && !seen.has(long)) args.push(short, 'none');
  }
  args.push(...published);
  if (!seen.has('--map-gw')) args.push('--no-map-gw');
  let nameservers = seen.get('--dns-forward');
  if (nameservers === undefined) {
    args.push('--dns-forward', PASTA_DNS);
    const host = nameServersIn(hostResolvConf);
    // It passes on to the first one of the same family, a loopback address too.
    nameservers = [
      ...(host.length === 0 || host.some((address) => isIPv4(address)) ? [PASTA_DNS] : []),
      ...host.filter((address) => !isOfHost(address)),
    ];
  }
  return {
    // Its first process ends, with 0, when all is set up.
    args: ['pasta', '--config-net', '--quiet', '--stderr', ...args, '--netns', NAMESPACE],
    ready: 'ended',
    nameservers,
  };
}

/** podman's words and slirp4netns's. */
function slirp(given: readonly string[], ports: UserPorts): Asked {
  const options = new Map<string, string>();
  for (const text of given) {
    const { name, value } = splitAssignment(text);
    if (value === undefined || value === '')
      throw invalid('network', text, 'is not an option of slirp4netns: NAME=value');
    options.set(name, value);
  }
  const args: string[] = [];
  const take = (name: string): string | undefined => {
    const value = options.get(name);
    options.delete(name);
    return value;
  };
  const isTrue = (name: string): boolean => {
    const value = take(name) ?? 'false';
    if (value !== 'true' && value !== 'false')
      throw invalid('network', `${name}=${value}`, 'is not true or false');
    return value === 'true';
  };
  if (!isTrue('allow_host_loopback')) args.push('--disable-host-loopback');
  if (isTrue('enable_ipv6')) args.push('--enable-ipv6');
  const mtu = take('mtu') ?? String(SLIRP_MTU);
  if (!/^[1-9]\d{0,5}$/.test(mtu) || Number(mtu) > SLIRP_MAX_MTU)
    throw invalid('network', `mtu=${mtu}`, `is not a number of bytes up to ${SLIRP_MAX_MTU}`);
  args.push(`--mtu=${mtu}`);
  const cidr = take('cidr');
  if (cidr !== undefined) args.push(`--cidr=${cidr}`);
  const nameserver = slirpDns(cidr ?? SLIRP_CIDR);
  for (const name of ['outbound_addr', 'outbound_addr6']) {
    const value = take(name);
    if (value === undefined) continue;
    if (!/^[\w.:%@-]+$/.test(value))
      throw invalid('network', `${name}=${value}`, 'is neither an address nor an interface');
    args.push(`--${name.replace('_', '-')}=${value}`);
  }
  const handler = take('port_handler') ?? 'slirp4netns';
  if (handler !== 'slirp4netns')
    throw unsupported('network', `port_handler=${handler}`, 'is not supported', 'slirp4netns');
  const [unknown] = options.keys();
  if (unknown !== undefined)
    throw invalid(
      'network',
      unknown,
      'is not an option of slirp4netns',
      'allow_host_loopback, mtu, cidr, enable_ipv6, outbound_addr, outbound_addr6, port_handler',
    );
  const requests = slirpRequests(ports);
  const own = ['slirp4netns', '--configure', '--enable-sandbox', '--enable-seccomp'];
  own.push('--ready-fd=3');
  // The value of an option can be an argument of its own: getopt_long(3).
  const socket = requests.length === 0 ? [] : ['--api-socket', SOCKET];
  return {
    args: [...own, ...socket, ...args, '--netns-type=path', NAMESPACE, 'tap0'],
    ready: 'said',
    requests,
    socketAt: own.length + 1,
    nameservers: [nameserver],
  };
}

/** Its own name server is the third address of the network: slirp4netns(1). */
function slirpDns(cidr: string): string {
  const [address = '', prefix = ''] = cidr.split('/');
  const bits = /^\d{1,2}$/.test(prefix) ? Number(prefix) : 0;
  if (!isIPv4(address) || bits < 8 || bits > 25)
    throw invalid('network', `cidr=${cidr}`, 'is not an IPv4 network of 8 to 25 bits');
  const number = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const size = 2 ** (32 - bits);
  const dns = number - (number % size) + 3;
  return [24, 16, 8, 0].map((shift) => (dns / 2 ** shift) & 0xff).join('.');
}

const TUN = '/dev/net/tun';

/** As the helper will open it: as the user if rootless; otherwise as the container's root, which has no rights here. */
async function checkTun(mode: Mode, userns: NetworkConfig['userns']): Promise<void> {
  const found = await stat(TUN).catch(() => undefined);
  if (found?.isCharacterDevice() !== true)
    throw failed(
      `${TUN} is missing`,
      TUN,
      'as root: modprobe tun; in a container: --device /dev/net/tun',
    );
  const openToAll = (found.mode & 0o006) === 0o006;
  if (openToAll || (isRoot() && userns === 'host')) return;
  if (!isRoot() && (found.uid === process.geteuid?.() || isOfGroup(found))) return;
  throw failed(
    `${TUN} is not accessible to all users, and so not to ${mode}`,
    TUN,
    `as root: chmod 0666 ${TUN}, as udev has it`,
  );
}

function isOfGroup({ mode, gid }: { readonly mode: number; readonly gid: number }): boolean {
  return (mode & 0o060) === 0o060 && process.getgroups?.().includes(gid) === true;
}

function failed(message: string, path: string, hint: string): CaissonError {
  return new CaissonError('ERR_NETWORK_FAILED', `network: ${message}`, {
    stage: 'config',
    path,
    hint,
  });
}

/** There, it would be the container's own. */
function isOfHost(address: string): boolean {
  return isLoopback(address) || address.includes('%');
}

/** The host's, with other name servers. */
function resolvConf(nameservers: readonly string[], host: string): string {
  const others = host.split('\n').filter((line) => /^\s*(search|domain|options)\s/.test(line));
  const servers = nameservers.slice(0, MAX_NAMESERVERS).map((address) => `nameserver ${address}`);
  return [...servers, ...others].join('\n');
}
