/** What a launch program has of its network: what all starts with the same options share, and what each has of its own. */
import type { Connection } from '../../network/bridge/connect.js';
import type { PublishedPort } from '../../network/firewall/port-bindings.js';
import type { LaunchInput } from '../../program/launch-input.js';
import { OwnTexts } from '../../program/own-texts.js';
import { PLACEHOLDER } from '../../program/template.js';
import type { ContainerConfig } from '../options/config.js';
import { injectedFiles, type NameFile } from '../spec/files.js';
import { hostnameOf } from '../spec/to-spec.js';
import type { PortInfo } from '../store/stored.js';
import type { NetworkOfStart } from './bridge-connection.js';
import type { StartContext } from './context.js';
import { networkOf } from './host-lookups.js';

/** What is compiled of a network. Plain data: two of them that are the same compile to the same. */
export type NetworkInput = Pick<LaunchInput, 'files' | 'helper' | 'resolver' | 'bridges'>;

export interface StartNetwork {
  readonly input: NetworkInput;
  /** Undefined: the program has no texts of its own but the command. */
  readonly own: OwnTexts | undefined;
  /** The caller has to release it if the start comes to nothing. */
  readonly connection: Connection | undefined;
  /** Ports of the host that only the start knows, as no firewall has them. */
  readonly published: readonly PortInfo[];
}

/** For which container, and how. */
export interface ConnectedStart {
  /** Long id. */
  readonly id: string;
  /** It is started: addresses are claimed for it. Otherwise nothing is made. */
  readonly connects: boolean;
  /** It runs: its ports, which it keeps, as its addresses. */
  readonly kept?: readonly PublishedPort[] | undefined;
  /** The names of a container whose network or UTS namespace it joins, or of the host. */
  readonly hostname?: string | undefined;
  /** By path: those of a container whose network it joins. */
  readonly files?: ReadonlyMap<string, string> | undefined;
}

/** @throws as `networkOf`; then nothing stays claimed */
export async function startNetwork(
  context: Pick<StartContext, 'networks' | 'warn'>,
  config: ContainerConfig,
  start: ConnectedStart,
): Promise<StartNetwork> {
  const network = await networkOf(context, config, start);
  const { connection, published = [] } = network;
  if (connection !== undefined) return withOwnTexts(config, start, network, connection);
  const input = withoutOwnTexts(config, start, network);
  return { input, own: undefined, connection: undefined, published };
}

/** Compiled for the placeholder: the id is all that containers differ in. */
function withoutOwnTexts(
  config: ContainerConfig,
  start: ConnectedStart,
  { files, helper, resolver }: NetworkOfStart,
): NetworkInput {
  const { id } = PLACEHOLDER;
  return { files: filesOf(config, { ...start, id }, files), helper, resolver };
}

function withOwnTexts(
  config: ContainerConfig,
  start: ConnectedStart,
  network: NetworkOfStart,
  connection: Connection,
): StartNetwork {
  const own = new OwnTexts();
  const { helper, resolver } = network;
  const files = filesOf(config, start, network.files);
  const input: NetworkInput = {
    files: files.map(({ path, content }) => ({ path, content: own.take(content) })),
    helper,
    resolver: resolver && { ...resolver, registration: own.take(resolver.registration) },
    bridges: own.takeAll(connection.plan),
  };
  return { input, own, connection, published: [] };
}

/** /etc/hosts and the like, without those that one of the caller's mounts replaces. */
function filesOf(
  config: ContainerConfig,
  { id, hostname, files: joined }: ConnectedStart,
  host: NetworkOfStart['files'],
): NameFile[] {
  const { mounts, names } = config;
  return injectedFiles(names, hostnameOf(config, { id, hostname }), host, config.domainname)
    .filter(({ path }) => !mounts.some(({ target }) => target === path))
    .map(({ path, content }) => ({ path, content: joined?.get(path) ?? content }));
}
