/** What is looked up on the host for a start, besides the sources that its options name (spec/sources.ts). */
import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { hostname as nameOfHost } from 'node:os';
import { join } from 'node:path';
import { compileProfile } from '../../oci/seccomp.js';
import { defaultSeccompProfile, type SeccompArch } from '../../oci/seccomp-default.js';
import { filterFlags } from '../../oci/seccomp-encode.js';
import type { LinuxSeccomp } from '../../oci/runtime-spec.js';
import type { ContainerConfig } from '../options/config.js';
import type * as BridgeConnection from './bridge-connection.js';
import type { BridgedStart, NetworkOfStart } from './bridge-connection.js';
import type { StartContext } from './context.js';

/** The filter of a program's system calls. */
export interface SeccompFilter {
  /** Undefined: unconfined. */
  readonly profile: LinuxSeccomp | undefined;
  readonly seccomp: Uint8Array | undefined;
  readonly seccompFlags: number;
}

/**
 * With the host's network the container has the host's name, as with Docker, unless it was given another; with the
 * host's UTS namespace in any case.
 */
export function networkName({
  network,
  namespaces,
}: Pick<ContainerConfig, 'network' | 'namespaces'>): string | undefined {
  return network === 'host' || namespaces.uts === 'host' ? nameOfHost() : undefined;
}

/** mq_overview(7), linux/magic.h */
const MQUEUE_MAGIC = 0x1980_0202;

/** Whether the host's message queues are mounted where they usually are. */
export async function hasHostMqueue(): Promise<boolean> {
  return statfs('/dev/mqueue').then(
    ({ type }) => type === MQUEUE_MAGIC,
    () => false,
  );
}

/** Loaded once: an import takes some hundred microseconds each time. */
let bridges: Promise<typeof BridgeConnection> | undefined;

/** The host's files about names, and the network's helper program, or its connection to bridges. */
export async function networkOf(
  { networks, warn }: Pick<StartContext, 'networks' | 'warn'>,
  config: ContainerConfig,
  start: { readonly id: string; readonly connects: boolean },
): Promise<NetworkOfStart | BridgedStart> {
  if (config.network === 'none' || config.network === 'container') return { files: undefined };
  if (config.network === 'namespace') {
    const { checkNetworkFile } = await import('./network-file.js');
    await checkNetworkFile(config.networkOptions);
  }
  const resolvConf = readOrEmpty('/etc/resolv.conf');
  // Of the network of a file it is not known what can be reached in it.
  if (config.network === 'host' || config.network === 'namespace')
    return { files: { hosts: readOrEmpty('/etc/hosts'), resolvConf } };
  if (config.network === 'bridge') {
    bridges ??= import('./bridge-connection.js');
    const { connectBridges } = await bridges;
    return connectBridges(await networks(), config, start, resolvConf, warn);
  }
  const { userNetwork } = await import('../../network/user-network.js');
  const network = await userNetwork(config, resolvConf, start.connects);
  const { helper, published } = network;
  return { files: { resolvConf: network.resolvConf }, helper, published };
}

/** Synchronous: it is small, and a start waits for it. */
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** By the list of capabilities, which most starts share. */
const capabilitySets = new WeakMap<readonly string[], ReadonlySet<string>>();

async function profileOf(config: ContainerConfig): Promise<LinuxSeccomp | undefined> {
  const { seccomp, capabilities } = config;
  if (seccomp.kind === 'unconfined') return undefined;
  let set = capabilitySets.get(capabilities);
  if (set === undefined) capabilitySets.set(capabilities, (set = new Set(capabilities)));
  if (seccomp.kind !== 'file') return defaultSeccompProfile(set, process.arch as SeccompArch);
  const { loadProfile } = await import('../../oci/seccomp-profile.js');
  return loadProfile(seccomp.path, { capabilities: set });
}

/** Reads the profile, or takes the default one, and compiles it, or takes it from the cache. */
export async function seccompFilter(
  { binding, dataRoot }: StartContext,
  config: ContainerConfig,
): Promise<SeccompFilter> {
  const profile = await profileOf(config);
  if (profile === undefined) return UNCONFINED;
  const seccomp = await compileProfile(profile, binding, join(dataRoot, 'cache'));
  return { profile, seccomp, seccompFlags: filterFlags(profile) };
}

export const UNCONFINED: SeccompFilter = Object.freeze({
  profile: undefined,
  seccomp: undefined,
  seccompFlags: 0,
});
