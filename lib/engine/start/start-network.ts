/** What a launch program has of its network: what all starts with the same options share, and what each has of its own. */
import type { Connection } from '../../network/bridge/connect.js';
import type { Endpoint } from '../../network/bridge/endpoint.js';
import type { PublishedPort } from '../../network/firewall/port-bindings.js';
import type { LaunchInput } from '../../program/launch-input.js';
import { OwnTexts } from '../../program/own-texts.js';
import { OwnTextsTemplate } from '../../program/own-texts-template.js';
import { PLACEHOLDER } from '../../program/template.js';
import type { ContainerConfig } from '../options/config.js';
import { injectedFiles, type NameFile } from '../spec/files.js';
import { hostnameOf } from '../spec/to-spec.js';
import type { PortInfo } from '../store/stored.js';
import type { BridgedPlan, BridgedStart, NetworkOfStart } from './bridge-connection.js';
import { same } from './cache-key.js';
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

/** What starts with networks of bridges have of their own, made from that of another start of the same template. */
export class NetworkTexts {
  private last: BridgedStart | undefined;
  private template: OwnTextsTemplate | undefined;

  /** @param input of the template */
  constructor(private readonly input: NetworkInput) {}

  /** Undefined: it differs from the start before in more than its id and its addresses. */
  of(
    id: string,
    start: BridgedStart,
    make: (id: string, endpoints?: readonly Endpoint[]) => PlannedNetwork,
  ): PlannedNetwork | undefined {
    const { last, input } = this;
    if (last?.isLike(start) !== true) {
      this.last = start;
      this.template = undefined;
      return undefined;
    }
    if (this.template === undefined) {
      const one = make(id);
      if (!same(one.input, input)) return one;
      const endpoints = start.otherEndpoints(PLACEHOLDER.id);
      const other = make(PLACEHOLDER.id, endpoints);
      this.template = same(other.input, input)
        ? OwnTextsTemplate.of(
            { own: one.own, values: start.values(id) },
            { own: other.own, values: start.values(PLACEHOLDER.id, endpoints) },
          )
        : undefined;
      if (this.template === undefined) return one;
    }
    return { input, own: this.template.fill(start.values(id)) };
  }
}

interface PlannedNetwork {
  readonly input: NetworkInput;
  readonly own: OwnTexts;
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

/**
 * @param texts of the template that the start is one of
 * @throws as `networkOf`; then nothing stays claimed
 */
export async function startNetwork(
  context: Pick<StartContext, 'networks' | 'warn'>,
  config: ContainerConfig,
  start: ConnectedStart,
  texts?: NetworkTexts,
): Promise<StartNetwork> {
  const network = await networkOf(context, config, start);
  if ('connection' in network) {
    const { connection } = network;
    try {
      const make = (id: string, endpoints?: readonly Endpoint[]) =>
        withOwnTexts(config, { ...start, id }, network.plan(id, endpoints));
      const made = texts?.of(start.id, network, make) ?? make(start.id);
      return { ...made, connection, published: [] };
    } catch (error) {
      connection.release();
      throw error;
    }
  }
  const input = withoutOwnTexts(config, start, network);
  return { input, own: undefined, connection: undefined, published: network.published ?? [] };
}

/** Compiled for the placeholder: the id is all that containers differ in. */
function withoutOwnTexts(
  config: ContainerConfig,
  start: ConnectedStart,
  { files, helper }: NetworkOfStart,
): NetworkInput {
  const { id } = PLACEHOLDER;
  return { files: filesOf(config, { ...start, id }, files), helper };
}

function withOwnTexts(
  config: ContainerConfig,
  start: ConnectedStart,
  plan: BridgedPlan,
): PlannedNetwork {
  const own = new OwnTexts();
  const { resolver } = plan;
  const files = filesOf(config, start, plan.files);
  const input: NetworkInput = {
    files: files.map(({ path, content }) => ({ path, content: own.take(content) })),
    resolver: resolver && { ...resolver, registration: own.take(resolver.registration) },
    bridges: own.takeAll(plan.bridges),
  };
  return { input, own };
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
