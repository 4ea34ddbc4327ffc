/**
 * Networks on disk: `<dataRoot>/networks/<id>/network.json`. A network is what its file says; its bridge device is made
 * when a container first needs it. There are few networks, so all files are read to find one by its name: a name needs no
 * file of its own, and is claimed by creating the network under the lock of all networks.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { show } from '../../base/check.js';
import { isErrno } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';
import { isIdPrefix, isLongId, newId, shortId } from '../../base/ids.js';
import { DEFAULT_PATHS, type Paths } from '../../base/roots.js';
import type { NetlinkOptions, UserNetwork } from '../netlink/request.js';
import { readIfThere, StagedFile, storageError } from '../../base/storage.js';
import { readBridgeOptions } from './bridge-options.js';
import { parseBlock } from '../../base/cidr.js';
import { type DamagedNetwork, remainsIn } from './damaged-network.js';
import { hostBlocks } from './host-routes.js';
import {
  type AnyNetwork,
  isStored,
  parseNetwork,
  type PredefinedNetwork,
  type StoredNetwork,
  type Subnet,
} from './stored-network.js';
import { blocksOf, chooseSubnet4, chooseSubnet6, refuseOverlap } from './subnets.js';

/** The device of the network `bridge`. */
const DEFAULT_BRIDGE = 'caisson0';

const PREDEFINED = { bridge: 'bridge', host: 'host', none: 'null' } as const;

/** A network as it is asked for, checked. What is missing is chosen. */
export interface NetworkPlan {
  readonly name: string;
  readonly ipv4?: Subnet | undefined;
  readonly ipv6?: Subnet | undefined;
  /** Without `ipv6`: whether to choose a subnet for it. */
  readonly enableIpv6: boolean;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}

export class NetworkStore {
  readonly directory: string;
  /** `<runRoot>/networks`: claims of addresses (addresses.ts). */
  readonly claims: string;
  /** `<runRoot>/published`: published ports (publication.ts). */
  readonly published: string;
  /** `<runRoot>/firewall`: repair-file.ts. */
  readonly repairFile: string;
  /** `<runRoot>/closed`: ../firewall/closed-families.ts. */
  readonly closedFile: string;
  /** `<runRoot>/resolver`: of the resolver of all networks. */
  readonly resolver: string;
  /** Where the bridges are: in the network namespace of this process, or in a rootless user's shared one. */
  readonly netlink: NetlinkOptions;
  /** `bridge`, `host` and `none`. Their ids are the same in each look, before there is any file. */
  readonly predefined: readonly PredefinedNetwork[];
  /** Files are never changed: of one that was read once, it is enough to see that its directory is there. */
  private readonly known = new Map<string, StoredNetwork>();
  /** Those of them that were found by their name, which no other network has while their file is there. */
  private readonly named = new Map<string, StoredNetwork>();

  /** @param userNetwork of a rootless user: where the bridges are */
  constructor(
    private readonly paths: Paths,
    userNetwork?: UserNetwork,
  ) {
    this.directory = join(paths.dataRoot, 'networks');
    this.claims = join(paths.runRoot, 'networks');
    this.published = join(paths.runRoot, 'published');
    this.repairFile = join(paths.runRoot, 'firewall');
    this.closedFile = join(paths.runRoot, 'closed');
    this.resolver = join(paths.runRoot, 'resolver');
    this.netlink = { userNetwork };
    this.predefined = (['bridge', 'host', 'none'] as const).map((name) => ({
      id: createHash('sha256').update(`${paths.dataRoot}\0${name}`).digest('hex'),
      name,
      driver: PREDEFINED[name],
    }));
  }

  // ---- finding

  /** All networks, in no order. A damaged file is left out. */
  all(): AnyNetwork[] {
    const stored = this.stored();
    const ids = new Set(stored.map(({ id }) => id));
    return [...this.predefined.filter(({ id }) => !ids.has(id)), ...stored];
  }

  /** Those with a file, in no order. A damaged one is left out. */
  stored(): StoredNetwork[] {
    return this.ids().flatMap((id) => {
      const network = this.known.get(id) ?? parseNetwork(this.read(id) ?? '');
      if (network === undefined) return [];
      this.known.set(id, network);
      return network;
    });
  }

  /** Whether it has a file, damaged or not. */
  has(id: string): boolean {
    return this.read(id) !== undefined;
  }

  /** Whether there is nothing on the disk, not even a network that was not completed. */
  isEmpty(): boolean {
    return this.ids().length === 0;
  }

  private ids(): string[] {
    try {
      return readdirSync(this.directory).filter(isLongId);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }

  private read(id: string): string | undefined {
    return readIfThere(this.file(id));
  }

  private file(id: string): string {
    return join(this.directory, id, 'network.json');
  }

  /**
   * By long id. Undefined when there is no such network (any more), or it needs no file.
   *
   * @throws ERR_DAMAGED_STATE
   */
  get(id: string): StoredNetwork | undefined {
    const text = this.read(id);
    if (text === undefined) return undefined;
    const network = parseNetwork(text);
    if (network?.id === id) return network;
    throw this.damage(this.remainsOf(id, text));
  }

  /** What is left of networks whose files are damaged, in no order. */
  private damaged(): DamagedNetwork[] {
    const whole = new Set(this.stored().map(({ id }) => id));
    return this.ids().flatMap((id) => {
      const text = whole.has(id) ? undefined : this.read(id);
      return text === undefined ? [] : [this.remainsOf(id, text)];
    });
  }

  /** The only one with a damaged file that the reference can mean. */
  findDamaged(reference: string): DamagedNetwork | undefined {
    const found = this.damaged().filter(
      ({ id, name }) => name === reference || (isIdPrefix(reference) && id.startsWith(reference)),
    );
    return found.length === 1 ? found[0] : undefined;
  }

  private remainsOf(id: string, text: string): DamagedNetwork {
    const { name, bridge = this.deviceOf(id) } = remainsIn(text);
    const predefined = this.predefined.find((each) => each.id === id);
    return { id, name: predefined?.name ?? name, driver: 'bridge', bridge };
  }

  /** The name of a network's device, if no other is asked for. */
  private deviceOf(id: string): string {
    // Other data roots have a network `bridge` of their own, and all devices are in one network namespace.
    const isDefault = this.paths.dataRoot === DEFAULT_PATHS.dataRoot;
    return isDefault && id === this.predefined[0]?.id ? DEFAULT_BRIDGE : `cai-${id.slice(0, 11)}`;
  }

  private damage({ id, name }: DamagedNetwork): CaissonError {
    const path = join(this.directory, id, 'network.json');
    const message = `network ${name === '' ? shortId(id) : name}: ${path} is damaged`;
    const hint = `its configuration is lost; caisson network rm ${shortId(id)} removes what is left of it`;
    return new CaissonError('ERR_DAMAGED_STATE', message, { stage: 'config', path, hint });
  }

  /** A reference without a network: there may be one whose file is damaged. */
  private notFound(reference: string): CaissonError {
    const found = this.findDamaged(reference);
    if (found !== undefined) return this.damage(found);
    const nameless = this.damaged().filter(({ name }) => name === '');
    const [{ id } = { id: '' }] = nameless;
    if (nameless.length === 0) return noSuchNetwork(reference);
    const path = join(this.directory, id, 'network.json');
    return noSuchNetwork(reference, `${path} is damaged, and may have been its file`);
  }

  /**
   * By long id, by name, or by the beginning of an id, in this order, as Docker does.
   *
   * @throws ERR_NO_SUCH_NETWORK, ERR_AMBIGUOUS_ID, ERR_DAMAGED_STATE
   */
  find(reference: string): AnyNetwork {
    if (typeof reference !== 'string' || reference === '') throw noSuchNetwork(reference);
    const known = this.named.get(reference);
    if (known !== undefined && existsSync(this.file(known.id))) return known;
    if (isLongId(reference)) {
      const network = this.get(reference) ?? this.predefined.find(({ id }) => id === reference);
      if (network !== undefined) return network;
    }
    const all = this.all();
    const named = all.find(({ name }) => name === reference);
    // `bridge` is predefined also if its file is damaged.
    if (named !== undefined) {
      if (!isStored(named)) return this.get(named.id) ?? named;
      this.named.set(reference, named);
      return named;
    }
    const found = isIdPrefix(reference) ? all.filter(({ id }) => id.startsWith(reference)) : [];
    if (found.length > 1)
      throw new CaissonError('ERR_AMBIGUOUS_ID', `network ${reference} is ambiguous (${found.length} matches found based on ID prefix)`, { stage: 'config', path: reference, hint: 'give more digits' }); // prettier-ignore
    if (found[0] === undefined) throw this.notFound(reference);
    return found[0];
  }

  /**
   * A network for a container: `bridge` is created if it has not been needed before.
   *
   * @throws ERR_NO_SUCH_NETWORK, ERR_AMBIGUOUS_ID, ERR_DAMAGED_STATE, ERR_ADDRESSES_EXHAUSTED, ERR_STORAGE
   */
  async use(reference: string): Promise<AnyNetwork> {
    const network = this.find(reference);
    if (isStored(network) || network.driver !== 'bridge') return network;
    return this.locked(() => this.get(network.id) ?? this.createBridge(network.id));
  }

  private createBridge(id: string): Promise<StoredNetwork> {
    const plan = { name: 'bridge', enableIpv6: false, internal: false, attachable: false };
    return this.add({ ...plan, labels: {}, options: {} }, id);
  }

  // ---- changing

  /**
   * Runs `work` while no other process creates or removes networks. Not within itself: it would wait for its own lock.
   *
   * @throws ERR_LOCK_TIMEOUT
   */
  async locked<T>(work: () => T | Promise<T>): Promise<T> {
    // Loaded only now, as it takes the addon.
    const { NETWORKS_LOCK, withLock } = await import('../../host/locks.js');
    return withLock(this.paths.runRoot, NETWORKS_LOCK, async () => work());
  }

  /**
   * Creates a network. Subnets that are not given are chosen.
   *
   * @throws ERR_NAME_IN_USE, ERR_SUBNET_OVERLAP, ERR_ADDRESSES_EXHAUSTED, ERR_INVALID_OPTION, ERR_STORAGE
   */
  async create(plan: NetworkPlan): Promise<StoredNetwork> {
    return this.locked(() => this.add(plan, newId()));
  }

  private async add(plan: NetworkPlan, id: string): Promise<StoredNetwork> {
    const { name, enableIpv6, internal, attachable, labels, options } = plan;
    const networks = this.stored();
    const namesake = networks.find((network) => network.name === name);
    if (namesake !== undefined)
      throw new CaissonError('ERR_NAME_IN_USE', `network with name ${name} already exists`, { stage: 'config', path: name, hint: `its id is ${shortId(namesake.id)}` }); // prettier-ignore
    const device = readBridgeOptions(options).name ?? this.deviceOf(id);
    const rival = networks.find((network) => network.bridge === device);
    if (rival !== undefined)
      throw new CaissonError('ERR_CONFLICTING_OPTIONS', `the network ${rival.name} has the bridge device ${device} already`, { stage: 'config', path: 'com.docker.network.bridge.name' }); // prettier-ignore
    for (const subnet of [plan.ipv4, plan.ipv6])
      if (subnet !== undefined) refuseOverlap(parseBlock('subnet', subnet.subnet), networks);
    const [taken, host] = [blocksOf(networks), await hostBlocks()];
    const ipv6 = plan.ipv6 ?? (enableIpv6 ? chooseSubnet6(taken, host) : undefined);
    const network: StoredNetwork = {
      version: 1,
      id,
      name,
      driver: 'bridge',
      created: new Date().toISOString(),
      bridge: device,
      ipv4: plan.ipv4 ?? chooseSubnet4(taken, host),
      ...(ipv6 === undefined ? {} : { ipv6 }),
      internal,
      attachable,
      labels,
      options,
    };
    await this.write(network);
    return network;
  }

  private async write(network: StoredNetwork): Promise<void> {
    const directory = join(this.directory, network.id);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw storageError(directory, error);
    }
    try {
      const text = `${JSON.stringify(network)}\n`;
      await (await StagedFile.write(join(directory, 'network.json'), text)).commit();
    } catch (error) {
      await rm(directory, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    }
  }

  /** Removes the file first: from then on there is no such network, whatever is left of its directory. */
  async delete(id: string): Promise<void> {
    await rm(join(this.directory, id, 'network.json'), { force: true });
    await rm(join(this.directory, id), { recursive: true, force: true });
  }

  /** Removes the directories of networks whose creation or removal has not finished. The caller holds the lock. */
  async deleteUnfinished(): Promise<void> {
    for (const id of this.ids())
      if (this.read(id) === undefined)
        await rm(join(this.directory, id), { recursive: true, force: true });
  }
}

export function noSuchNetwork(reference: unknown, hint?: string): CaissonError {
  const text = typeof reference === 'string' ? reference : show(reference);
  return new CaissonError('ERR_NO_SUCH_NETWORK', `network ${text} not found`, {
    stage: 'config',
    path: text,
    hint,
  });
}
