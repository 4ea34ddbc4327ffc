/** `--network`: a name or a mode, or Docker's fields, `name=web,alias=db,ip=10.9.0.7` (docker/cli, opts/network.go). */
import { splitAssignment } from '../../base/assignment.js';
import { conflicting, invalid, unsupported } from '../../base/check.js';
import type { FirstConnectionOptions, NetworkConnection } from '../../engine/options/network-connections.js'; // prettier-ignore
import { isOnBridges, type NetworkOptions } from '../../engine/options/options.js';
import { csvFields } from './mount-flag.js';

type Draft = { -readonly [K in keyof NetworkConnection]: NetworkConnection[K] };

/** The flags for the first network, with the words of Docker's errors. */
const FIRST = [
  ['ip', 'ip', '--ip and per-network IPv4 address'],
  ['ip6', 'ip6', '--ip6 and per-network IPv6 address'],
  ['networkAliases', 'aliases', '--network-alias and per-network alias'],
  ['macAddress', 'macAddress', '--mac-address and per-network MAC address'],
  ['linkLocalIps', 'linkLocalIps', '--link-local-ip and per-network link-local IP addresses'],
] as const;

/**
 * @param texts of all `--network`
 * @param first what other flags say of the first one
 * @throws ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION, ERR_CONFLICTING_OPTIONS
 */
export function networkOptions(
  texts: readonly string[],
  first: FirstConnectionOptions,
): Pick<NetworkOptions, 'network' | 'networks' | keyof FirstConnectionOptions> {
  const [connection, ...further] = texts.map(parseNetworkFlag);
  if (connection === undefined) return {};
  checkTogether([connection, ...further]);
  const merged: Record<string, unknown> = {};
  for (const [option, field, both] of FIRST) {
    if (first[option] !== undefined && connection[field] !== undefined)
      throw conflicting(option, `cannot specify both ${both}`);
    merged[field] = first[option] ?? connection[field];
  }
  const { gatewayPriority, network } = connection;
  if (gatewayPriority !== undefined) {
    const none = Object.fromEntries(FIRST.map(([option]) => [option, undefined]));
    return {
      ...none,
      network: undefined,
      networks: [{ ...merged, network, gatewayPriority }, ...further],
    };
  }
  const options = Object.fromEntries(FIRST.map(([option, field]) => [option, merged[field]]));
  return { ...options, network, ...(further.length === 0 ? {} : { networks: further }) };
}

function checkTogether(connections: readonly NetworkConnection[]): void {
  const names = connections.map(({ network }) => network);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw conflicting('network', `network "${twice}" is specified multiple times`);
  const isCreated = ({ network }: NetworkConnection) =>
    network !== 'bridge' && network !== 'default' && isOnBridges({ network });
  if (connections.length > 1 && !connections.every(isCreated))
    throw conflicting(
      'network',
      'cannot attach both user-defined and non-user-defined network-modes',
      '`caisson network connect` connects a container of the network bridge to others',
    );
}

/** @throws ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION */
export function parseNetworkFlag(text: string): NetworkConnection {
  if (!/^[\w-]+=/.test(text)) return { network: text };
  const draft: Partial<Draft> = {};
  for (const field of csvFields(text)) {
    const { name, value } = splitAssignment(field);
    if (value === undefined || name === '')
      throw invalid('network', text, `invalid field ${field}`);
    setField(draft, text, name.trim(), value.trim());
  }
  const { network } = draft;
  if (network === undefined || network === '')
    throw invalid('network', text, 'network name/id is not specified');
  return { ...draft, network };
}

function setField(draft: Partial<Draft>, text: string, key: string, value: string): void {
  switch (key) {
    case 'name':
      draft.network = value;
      break;
    case 'ip':
      draft.ip = value;
      break;
    case 'ip6':
      draft.ip6 = value;
      break;
    case 'mac-address':
      draft.macAddress = value;
      break;
    case 'alias':
      draft.aliases = [...(draft.aliases ?? []), value];
      break;
    case 'link-local-ip':
      draft.linkLocalIps = [...(draft.linkLocalIps ?? []), value];
      break;
    case 'gw-priority':
      if (!/^[+-]?\d{1,15}$/.test(value)) throw invalid('network', text, `invalid gw-priority (${value})`); // prettier-ignore
      draft.gatewayPriority = Number(value);
      break;
    case 'driver-opt':
      throw unsupported('network', text, 'has driver options, which are not supported');
    default:
      throw invalid('network', text, `invalid field key ${key}`);
  }
}
