/** The options of Docker's bridge driver: `com.docker.network.…`. */
import { invalid, wholeNumber } from '../../base/check.js';
import { readAddress } from '../../base/cidr.js';
import type { StoredNetwork } from './stored-network.js';

const BRIDGE_NAME = 'com.docker.network.bridge.name';
const MTU = 'com.docker.network.driver.mtu';
const ICC = 'com.docker.network.bridge.enable_icc';
const MASQUERADE = 'com.docker.network.bridge.enable_ip_masquerade';
const HOST_BINDING = 'com.docker.network.bridge.host_binding_ipv4';

/** IFNAMSIZ without its NUL byte: the longest name of a network device. */
const LONGEST_NAME = 15;

/** The smallest of IPv4 (RFC 791), and the largest of a bridge device. */
const MTUS = [68, 65_535] as const;

/** What options say of a network. */
export interface BridgeSettings {
  /** The name of the bridge device. */
  readonly name?: string | undefined;
  /** Bytes; undefined: as the kernel has it. */
  readonly mtu?: number | undefined;
  /** Whether containers of the network reach each other. */
  readonly interContainer: boolean;
  /** Whether what leaves the host has the host's address. */
  readonly masquerade: boolean;
  /** The address of the host on which ports are published by default. */
  readonly hostBinding: string;
}

/** By the options of a network, which never change. */
const read = new WeakMap<StoredNetwork['options'], BridgeSettings>();

/** @throws as `readBridgeOptions` */
export function bridgeSettings({ options }: Pick<StoredNetwork, 'options'>): BridgeSettings {
  let settings = read.get(options);
  if (settings === undefined) read.set(options, (settings = readBridgeOptions(options)));
  return settings;
}

/**
 * Docker's values: `strconv.ParseBool` of Go for switches. Options without a meaning here are left alone.
 *
 * @throws ERR_INVALID_OPTION
 */
export function readBridgeOptions(options: Readonly<Record<string, string>>): BridgeSettings {
  const name = options[BRIDGE_NAME];
  const mtu = options[MTU];
  const hostBinding = options[HOST_BINDING] ?? '0.0.0.0';
  if (readAddress(hostBinding)?.family !== 4)
    throw invalid(HOST_BINDING, hostBinding, 'is not an IPv4 address');
  return {
    ...(name === undefined ? {} : { name: deviceName(name) }),
    ...(mtu === undefined ? {} : { mtu: wholeNumber(MTU, mtu, ...MTUS) }),
    interContainer: readSwitch(ICC, options[ICC] ?? 'true'),
    masquerade: readSwitch(MASQUERADE, options[MASQUERADE] ?? 'true'),
    hostBinding,
  };
}

/** What the kernel takes for the name of a device (dev_valid_name() of net/core/dev.c), and no template of one (`%d`). */
function deviceName(name: string): string {
  const valid =
    /^[^/:%\s\0]+$/.test(name) &&
    name !== '.' &&
    name !== '..' &&
    Buffer.byteLength(name) <= LONGEST_NAME;
  if (!valid)
    throw invalid(BRIDGE_NAME, name, 'is not the name of a network device', `at most ${LONGEST_NAME} bytes, without spaces, slashes and colons`); // prettier-ignore
  return name;
}

function readSwitch(option: string, text: string): boolean {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw invalid(option, text, 'is not true or false');
}
