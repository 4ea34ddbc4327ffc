/** `<dataRoot>/networks/<id>/network.json`, and the networks that need no file. */
import { isRecord } from '../../base/check.js';
import { isLongId } from '../../base/ids.js';
import { parseJson } from '../../base/storage.js';
import { containsBlock, contains, type Family, parseAddress, parseBlock } from '../../base/cidr.js';

/** The addresses of one family that a network has. */
export interface Subnet {
  /** CIDR notation. */
  readonly subnet: string;
  /** The address of the bridge, which is the containers' default route. */
  readonly gateway: string;
  /** CIDR notation; the part of the subnet that containers get their addresses from. Missing: all of it. */
  readonly ipRange?: string | undefined;
  /** By a name of the caller's: addresses that no container gets. */
  readonly auxAddresses?: Readonly<Record<string, string>> | undefined;
}

/** A network with a bridge. */
export interface StoredNetwork {
  readonly version: 1;
  /** Long id. */
  readonly id: string;
  readonly name: string;
  readonly driver: 'bridge';
  /** ISO 8601, UTC. */
  readonly created: string;
  /** The name of the bridge device, at most 15 bytes. */
  readonly bridge: string;
  readonly ipv4: Subnet;
  readonly ipv6?: Subnet | undefined;
  /** No route leads out of it. */
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Of Docker's bridge driver (bridge-options.ts). Others are stored as they are. */
  readonly options: Readonly<Record<string, string>>;
}

/** `host`, `none`, and `bridge` until it is first needed. */
export interface PredefinedNetwork {
  /** Long id. */
  readonly id: string;
  readonly name: 'bridge' | 'host' | 'none';
  readonly driver: 'bridge' | 'host' | 'null';
}

export type AnyNetwork = StoredNetwork | PredefinedNetwork;

/** Whether it has subnets and a file; `bridge` only after it was needed. */
export function isStored(network: AnyNetwork): network is StoredNetwork {
  return 'ipv4' in network;
}

/** Undefined for a text that is not a whole network. */
export function parseNetwork(text: string): StoredNetwork | undefined {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null) return undefined;
  const network = value as Partial<StoredNetwork>;
  const whole =
    network.version === 1 &&
    isText(network.id) &&
    isLongId(network.id) &&
    isText(network.name) &&
    network.driver === 'bridge' &&
    isText(network.created) &&
    !Number.isNaN(Date.parse(network.created)) &&
    isText(network.bridge) &&
    isSubnet(network.ipv4, 4) &&
    (network.ipv6 === undefined || isSubnet(network.ipv6, 6)) &&
    typeof network.internal === 'boolean' &&
    typeof network.attachable === 'boolean' &&
    isTextRecord(network.labels) &&
    isTextRecord(network.options);
  return whole ? (value as StoredNetwork) : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTextRecord(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every(isText);
}

function isSubnet(value: Subnet | undefined, family: Family): boolean {
  try {
    const block = parseBlock('subnet', value?.subnet);
    const range = value?.ipRange === undefined ? block : parseBlock('ipRange', value.ipRange);
    const aux = value?.auxAddresses ?? {};
    const addresses = [value?.gateway, ...Object.values(aux)];
    return (
      block.family === family &&
      containsBlock(block, range) &&
      isTextRecord(aux) &&
      addresses.every((text) => contains(block, parseAddress('address', text)))
    );
  } catch {
    return false;
  }
}
