/** `Container.fork` (decision 0028): another container above the files that one has now. */
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { checkOptions, invalid } from '../../base/check.js';
import { isErrno } from '../../base/errno.js';
import { CaissonError } from '../../base/errors.js';
import { newId, shortId } from '../../base/ids.js';
import { storageError } from '../../base/storage.js';
import { FROZEN_LAYERS_LOCK, withLock } from '../../host/locks.js';
import { resolveImage } from '../../image/snapshots/resolve.js';
import { MOST_LAYERS } from '../../image/manifest.js';
import { allLowers } from '../../program/launch-input.js';
import { checkContainerName } from '../options/host-names.js';
import type { NetworkConnection } from '../options/network-connections.js';
import type { RunOptions } from '../options/options.js';
import { normalizeStorageOpt } from '../options/storage-opt.js';
import { checkDetached } from '../start/prepare-detached.js';
import { recordEvent } from '../store/container-events.js';
import { frozenDirectory, hasOwnFiles, settleLayers } from '../store/frozen-layers.js';
import { rootOf } from '../store/image-of.js';
import type { Store } from '../store/store.js';
import type { StoredConfig } from '../store/stored.js';
import type { ContainerContext } from './container-context.js';
import { addWithVolumes, claimName } from './create-container.js';
import { statusOf, storedContainer } from './inspect-container.js';
import { deleteUnreadable } from './recover.js';
import { releaseLayers } from './release-layers.js';
import { checkAllowed } from './transitions.js';

/** What is different in the fork. */
export interface ForkOptions {
  /** Default: a random one. */
  readonly name?: string | undefined;
  /** The program and its arguments. Default: the same. */
  readonly argv?: readonly string[] | undefined;
}

const OPTION_NAMES: Readonly<Record<keyof ForkOptions, true>> = { name: true, argv: true };

/** @returns the long id of the new container */
export async function forkContainer(
  context: ContainerContext,
  id: string,
  options: ForkOptions,
): Promise<string> {
  const { name, argv } = checkOptions(options);
  for (const key of Object.keys(options))
    if (!Object.hasOwn(OPTION_NAMES, key))
      throw invalid(key, options[key as keyof ForkOptions], 'is not an option of a fork');
  const wanted = name === undefined ? undefined : checkContainerName(name);
  const { store } = context;
  const { runRoot } = store.paths;
  return withLock(runRoot, id, async () => {
    const { config, state, damaged } = storedContainer(store, id);
    checkAllowed(await statusOf(context, config, { state, damaged }), 'fork', id);
    settleLayers(store, config);
    const newLayer = await checkLayers(context, config);
    const own = argv === undefined ? undefined : await commandOf(context, config, argv);
    const forkId = newId();
    const forkName = await claimName(store, forkId, wanted);
    try {
      return await withLock(runRoot, FROZEN_LAYERS_LOCK, async () => {
        const source = newLayer ? await freeze(store, config) : config;
        const fork = { ...forkOf(source, forkId, forkName), ...own };
        await addFork(context, fork);
        recordEvent(store, source, 'fork', { fork: forkId });
        recordEvent(store, fork, 'create');
        return forkId;
      });
    } catch (error) {
      await store.releaseName(forkName, forkId);
      throw error;
    }
  });
}

/** Whether there are files to freeze. @throws why they cannot be */
async function checkLayers(context: ContainerContext, config: StoredConfig): Promise<boolean> {
  const { store } = context;
  const { id, layers = [] } = config;
  const { root } = await resolveImage(rootOf(store, config), store.paths.dataRoot);
  if (root.kind === 'direct')
    throw unsupported(id, 'has no layer of its own: its root directory is used in place');
  const directory = store.directory(id);
  if (normalizeStorageOpt(config.options.storageOpt) !== undefined) {
    // Its files are in a file system of their own, which only one container can write to.
    if (await hasRun(directory))
      throw unsupported(id, 'has a layer with a size (storageOpt), which another cannot share');
    return false;
  }
  if (!hasOwnFiles(directory)) return false;
  checkMovable(id, join(directory, 'upper'));
  if (allLowers(root).length < MOST_LAYERS) return true;
  throw new CaissonError(
    'ERR_TOO_MANY_LAYERS',
    `container ${shortId(id)} has been forked ${layers.length} times, and has as many layers as overlay takes (${MOST_LAYERS})`,
    {
      stage: 'files',
      path: id,
      hint: 'commit it, and create containers of that image: all changes are one layer there',
    },
  );
}

async function hasRun(directory: string): Promise<boolean> {
  const { isThere, LAYER_IMAGE } = await import('../start/layer-size.js');
  return isThere(join(directory, LAYER_IMAGE));
}

/** A directory that gets another parent is written to (its `..`): a rootless container can give its root to another of its users. */
function checkMovable(id: string, upper: string): void {
  try {
    accessSync(upper, constants.W_OK);
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EROFS')) throw error;
    throw unsupported(id, 'has changed the owner or the mode of its root directory');
  }
}

function unsupported(id: string, why: string): CaissonError {
  return new CaissonError('ERR_UNSUPPORTED_OPTION', `container ${shortId(id)} ${why}`, {
    stage: 'files',
    path: id,
    hint: 'commit it while it runs, and create a container of that image',
  });
}

async function commandOf(
  context: ContainerContext,
  config: StoredConfig,
  argv: readonly string[],
): Promise<Pick<StoredConfig, 'argv' | 'command'>> {
  const start = await context.startContext();
  const { args } = await checkDetached(start, rootOf(context.store, config), argv, config.options, config.autoRemove); // prettier-ignore
  return { argv: [...argv], command: args };
}

/**
 * The configuration first: what it names and is not there yet is moved with the next lock of the container (`settleLayers`).
 *
 * @returns the container's new configuration
 * @throws ERR_STORAGE, and the container is as it was
 */
async function freeze(store: Store, config: StoredConfig): Promise<StoredConfig> {
  const { id, layers = [] } = config;
  const layer = newId();
  const directory = frozenDirectory(store, layer);
  const frozen = { ...config, layers: [layer, ...layers] };
  try {
    makeLayer(directory, id);
    await store.writeConfig(frozen);
    settleLayers(store, frozen);
    return frozen;
  } catch (error) {
    // Without `upper` it is done.
    if (!hasOwnFiles(store.directory(id))) throw error;
    await store.writeConfig(config);
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

function makeLayer(directory: string, id: string): void {
  const users = join(directory, 'users');
  try {
    mkdirSync(users, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw storageError(users, error);
  }
  addUser(directory, id);
}

/** At once, as all of a fork: on a machine that is busy, each turn by way of another thread takes longer. */
function addUser(directory: string, id: string): void {
  const users = join(directory, 'users');
  try {
    writeFileSync(join(users, id), '', { mode: 0o600 });
  } catch (error) {
    throw storageError(users, error);
  }
}

function forkOf(source: StoredConfig, id: string, name: string): StoredConfig {
  const { options, connections, ...rest } = source;
  return {
    ...rest,
    id,
    name,
    created: new Date().toISOString(),
    forkedFrom: source.id,
    options: withoutAddresses(options),
    ...(connections === undefined ? {} : { connections: connections.map(withoutOwn) }),
  };
}

/** Those are one container's. */
function withoutAddresses(options: RunOptions): RunOptions {
  const { ip: _ip, ip6: _ip6, macAddress: _mac, linkLocalIps: _local, networks, ...rest } = options;
  if (networks === undefined) return rest;
  return {
    ...rest,
    networks: networks.map((each) => (typeof each === 'string' ? each : withoutOwn(each))),
  };
}

function withoutOwn(connection: NetworkConnection): NetworkConnection {
  const { ip: _ip, ip6: _ip6, macAddress: _mac, linkLocalIps: _local, ...rest } = connection;
  return rest;
}

/** The caller holds the locks of the source and of frozen layers. */
async function addFork(context: ContainerContext, fork: StoredConfig): Promise<void> {
  const { store } = context;
  const { id, layers = [], mounts } = fork;
  try {
    for (const layer of layers) addUser(frozenDirectory(store, layer), id);
    const add = () => store.add(fork, undefined);
    if (mounts === undefined) await add();
    else await addWithVolumes(store, await context.startContext(), id, mounts, add);
  } catch (error) {
    await deleteUnreadable(store, id).catch(() => undefined);
    await releaseLayers(store, fork).catch(() => undefined);
    throw error;
  }
}
