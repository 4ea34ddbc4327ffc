/** `Networks.create`: what a caller may ask for, checked. */
import { boolean, checkOptions, conflicting, invalid, isRecord, plainString, unsupported } from '../../base/check.js'; // prettier-ignore
import { CaissonError } from '../../base/errors.js';
import type { ClaimContext } from '../../network/bridge/claim-context.js';
import { findDevice } from '../../network/bridge/bridge-device.js';
import { readBridgeOptions } from '../../network/bridge/bridge-options.js';
import type { NetworkPlan } from '../../network/bridge/network-store.js';
import type { StoredNetwork } from '../../network/bridge/stored-network.js';
import { checkSubnets, type SubnetRequest } from '../../network/bridge/subnets.js';
import { normalizeLabels } from '../options/labels.js';

/** How a network is made. */
export interface CreateNetworkOptions {
  /** Default: `bridge`, the only one. */
  readonly driver?: 'bridge' | undefined;
  /** One of each family at most. Default: for IPv4 the first of Docker's address pools that is free. */
  readonly subnets?: readonly SubnetRequest[] | undefined;
  /** Containers get addresses of IPv6, too. Default: if `subnets` has one. Without one, it is chosen at random in fd00::/8. */
  readonly ipv6?: boolean | undefined;
  /** No route leads out of it. */
  readonly internal?: boolean | undefined;
  /** As with Docker, where it is for swarms; stored, without effect. */
  readonly attachable?: boolean | undefined;
  /** `{ key: value }` or `['key=value']`. */
  readonly labels?: Readonly<Record<string, string>> | readonly string[] | undefined;
  /**
   * Of Docker's bridge driver: `com.docker.network.bridge.name`, `.enable_icc`, `.enable_ip_masquerade`,
   * `.host_binding_ipv4`, and `com.docker.network.driver.mtu`. Others are stored, and have no effect.
   */
  readonly options?: Readonly<Record<string, string>> | undefined;
}

const OPTION_NAMES: Readonly<Record<keyof CreateNetworkOptions, true>> = {
  driver: true,
  subnets: true,
  ipv6: true,
  internal: true,
  attachable: true,
  labels: true,
  options: true,
};

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Values of the option `network` of a container that are no names of networks (lib/engine/options/config.ts). */
const MODES: ReadonlySet<string> = new Set(['pasta', 'slirp4netns', 'container', 'ns', 'private']);

/** Of Docker: `default` is what a container without `--network` has. */
const PREDEFINED: ReadonlySet<string> = new Set(['bridge', 'host', 'none', 'default']);

/** @throws ERR_NO_PRIVILEGES, and what the checks throw, before anything is made */
export async function createNetwork(
  { networks }: ClaimContext,
  name: string,
  options: CreateNetworkOptions,
): Promise<StoredNetwork> {
  const plan = planNetwork(name, options);
  const { netlink } = networks;
  const device = readBridgeOptions(plan.options).name;
  if (
    device !== undefined &&
    (await netlink.userNetwork?.isThere()) !== false &&
    (await findDevice(device, netlink)) !== undefined
  )
    throw conflicting(
      'com.docker.network.bridge.name',
      `the network device ${device} exists already`,
      'choose another name, or remove the device',
    );
  return networks.create(plan);
}

/** @throws ERR_INVALID_OPTION, ERR_UNSUPPORTED_OPTION, ERR_CONFLICTING_OPTIONS */
export function planNetwork(name: string, options: CreateNetworkOptions): NetworkPlan {
  checkNetworkName(name);
  for (const key of Object.keys(checkOptions(options)))
    if (!Object.hasOwn(OPTION_NAMES, key)) throw unsupported(key, options[key as keyof typeof options], 'is not an option of a network'); // prettier-ignore
  const { driver = 'bridge' } = options;
  if (driver !== 'bridge') throw unsupported('driver', driver, 'is not supported', 'bridge');
  const { ipv4, ipv6 } = checkSubnets(options.subnets ?? []);
  const enableIpv6 = options.ipv6 === undefined ? ipv6 !== undefined : boolean('ipv6', options.ipv6); // prettier-ignore
  if (ipv6 !== undefined && !enableIpv6)
    throw conflicting('ipv6', `is off, and subnets has ${ipv6.subnet.subnet}`);
  const driverOptions = checkDriverOptions(options.options);
  return {
    name,
    ...(ipv4 === undefined ? {} : { ipv4: ipv4.subnet }),
    ...(ipv6 === undefined ? {} : { ipv6: ipv6.subnet }),
    enableIpv6,
    internal: boolean('internal', options.internal ?? false),
    attachable: boolean('attachable', options.attachable ?? false),
    labels: normalizeLabels(options.labels),
    options: driverOptions,
  };
}

function checkNetworkName(name: unknown): void {
  if (typeof name !== 'string' || !NAME.test(name))
    throw invalid('name', name, 'is not a name of a network', 'only [a-zA-Z0-9][a-zA-Z0-9_.-]* is allowed'); // prettier-ignore
  if (PREDEFINED.has(name))
    throw new CaissonError('ERR_INVALID_OPTION', `operation is not permitted on predefined ${name} network`, { stage: 'config', path: 'name' }); // prettier-ignore
  if (MODES.has(name)) throw invalid('name', name, 'is a mode of the option network');
}

function checkDriverOptions(options: unknown): Readonly<Record<string, string>> {
  if (options === undefined) return {};
  if (!isRecord(options)) throw invalid('options', options, 'is not an object');
  for (const [key, value] of Object.entries(options)) plainString(`options.${key}`, value);
  const texts = { ...options } as Readonly<Record<string, string>>;
  readBridgeOptions(texts);
  return texts;
}
