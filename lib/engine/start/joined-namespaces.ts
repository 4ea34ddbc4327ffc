/** The containers whose namespaces a start joins: found in the store, and checked before anything is made. */
import { readlink } from 'node:fs/promises';
import { conflicting } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import { shortId } from '../../base/ids.js';
import { usersOf } from '../../host/user-namespace-ids.js';
import type { JoinedContainer, JoinedNamespaces } from '../../program/launch-input.js';
import type { ContainerConfig } from '../options/config.js';
import {
  type Join,
  joinedContainer,
  type JoiningOption,
  withJoined,
} from '../options/namespace-options.js';
import type { RunOptions } from '../options/options.js';
import { normalizeMounts } from '../options/mounts.js';
import { storedDomainname, storedHostname } from '../store/joined-names.js';
import { hasConnections } from '../store/current-options.js';
import { isSettled, noSuchContainer, type Store } from '../store/store.js';
import type { StoredConfig } from '../store/stored.js';
import { readFiles } from './container-files.js';
import type { StartContext } from './context.js';

/** What a start takes over from the containers that it joins. */
export interface JoinedStart {
  readonly input: JoinedNamespaces;
  /** The first host id of their users, which are this container's, too; undefined with the host's users. */
  readonly base: number | undefined;
  /** With the network: the name, and the files with names by their paths. */
  readonly names?: JoinedNames | undefined;
}

export interface JoinedNames {
  readonly hostname: string;
  readonly domainname: string | undefined;
  readonly files: ReadonlyMap<string, string>;
}

const NAMESPACES: Readonly<Record<JoiningOption, 'network' | 'pid' | 'ipc' | 'user'>> = {
  network: 'network',
  pid: 'pid',
  ipc: 'ipc',
  userns: 'user',
};

/**
 * @param id long id of the container that is started
 * @throws as documented at `JoinedContainer` of options.ts
 */
export async function findJoined(
  context: StartContext,
  id: string,
  config: ContainerConfig,
): Promise<JoinedStart | undefined> {
  const { joins } = config.namespaces;
  const [first] = joins;
  if (first === undefined) return undefined;
  const { store } = context;
  const found = await Promise.all(joins.map((join) => findRunning(store, id, join)));
  const rootless = context.users !== undefined;
  const own = config.userns === 'auto';
  // All containers of a rootless user have user namespaces, which their supervisors have made.
  if (own || rootless) await checkCommonUsers(found, own);
  if (rootless && config.network === 'bridge') await checkNetworkUsers(store, found);
  const base = own ? found[0]?.idBase : undefined;
  const containers = new Map<string, Mutable>();
  for (const { join, config: other, pid, startTime } of found) {
    const known = containers.get(other.id) ?? { pid, startTime, namespaces: new Set() };
    const type = NAMESPACES[join.option];
    if (type !== 'user') known.namespaces.add(type);
    containers.set(other.id, known);
  }
  const ofNetwork = found.find(({ join }) => join.option === 'network');
  return {
    input: {
      containers: [...containers.values()],
      users: base !== undefined,
      sharedMemory: !hidesSharedMemory(config.mounts),
    },
    base,
    names: ofNetwork && (await namesOf(context, ofNetwork)),
  };
}

interface Mutable extends JoinedContainer {
  readonly namespaces: Set<'network' | 'pid' | 'ipc'>;
}

interface Found {
  readonly join: Join;
  readonly config: StoredConfig;
  readonly pid: number;
  readonly startTime: bigint;
  readonly idBase: number;
}

/** The containers have to exist, for a container that is made and not started yet. */
export async function checkJoined(
  { store }: StartContext,
  { namespaces }: ContainerConfig,
): Promise<void> {
  for (const join of namespaces.joins) checkJoinable(join, await configOf(store, join));
}

/** The options with the ids of the containers that they name: names may be given to other containers later. */
export async function withJoinedIds(store: Store, options: RunOptions): Promise<RunOptions> {
  const ids = new Map<JoiningOption, string>();
  for (const option of Object.keys(NAMESPACES) as JoiningOption[]) {
    const container = joinedContainer(option, options[option]);
    if (container !== undefined) ids.set(option, await store.find(container));
  }
  return withJoined(options, ids);
}

async function configOf(store: Store, { container }: Join): Promise<StoredConfig> {
  const config = store.config(await store.find(container));
  if (config === undefined) throw noSuchContainer(container);
  return config;
}

async function findRunning(store: Store, id: string, join: Join): Promise<Found> {
  const { option, container } = join;
  const config = await configOf(store, join);
  if (config.id === id)
    throw conflicting(option, 'a container cannot join its own namespace', 'name another one');
  const found = store.state(config.id);
  const { status, pid, startTime, idBase } = found.state;
  if (!isSettled(store, found) || status !== 'running')
    throw new CaissonError(
      'ERR_CONTAINER_NOT_RUNNING',
      `${option}: cannot join the ${NAMESPACES[option]} namespace of container ${container}: it is ` +
        (status === 'restarting' ? 'restarting' : 'not running'),
      {
        stage: 'config',
        path: option,
        hint:
          status === 'restarting'
            ? 'wait until it runs'
            : `start it first: caisson start ${shortId(config.id)}`,
      },
    );
  checkJoinable(join, config);
  return { join, config, pid, startTime: BigInt(startTime), idBase };
}

/** What the other container has of its own, or has joined itself, can be joined. */
function checkJoinable({ option, container }: Join, { options }: StoredConfig): void {
  const value = options[option];
  const shared =
    value === 'host' ||
    (option === 'network' && typeof value === 'string' && value.startsWith('ns:'))
      ? value
      : undefined;
  if (shared !== undefined && option !== 'userns')
    throw conflicting(
      option,
      `container ${container} has the namespace of ${JSON.stringify(shared)}`,
      `${option} ${JSON.stringify(shared)} is the same`,
    );
  if (option !== 'ipc') return;
  const joins = joinedContainer(option, value) !== undefined;
  if ((value !== 'shareable' && !joins) || hidesSharedMemory(normalizeMounts(options)))
    throw conflicting(
      option,
      `container ${container}: non-shareable IPC`,
      joins || value === 'shareable'
        ? 'it has a mount of its own in the place of /dev/shm'
        : 'create it with ipc "shareable" (--ipc shareable)',
    );
}

function hidesSharedMemory(mounts: ContainerConfig['mounts']): boolean {
  return mounts.some(({ target }) => target === '/dev' || target === '/dev/shm');
}

/**
 * The users of all of them have to be the same.
 *
 * @param ofHost whether those of the host are others than this container's
 */
async function checkCommonUsers(found: readonly Found[], ofHost: boolean): Promise<void> {
  const host = ofHost ? found.find(({ idBase }) => idBase === 0) : undefined;
  if (host !== undefined)
    throw conflicting(
      host.join.option,
      `container ${host.join.container} has the host's users, and this one would not`,
      'userns "host" (--userns host) gives it them, too',
    );
  const namespaces = await Promise.all(found.map(({ pid }) => userNamespace(pid)));
  const second = found[namespaces.findIndex((namespace) => namespace !== namespaces[0])];
  if (second !== undefined)
    throw conflicting(
      second.join.option,
      `the containers ${found[0]?.join.container} and ${second.join.container} have different user namespaces`,
      `create one of them with userns "container:…" of the other, or all of them with userns "host"`,
    );
}

/** A rootless container on a network with a bridge has a user namespace below that of its user's networks. */
async function checkNetworkUsers(store: Store, found: readonly Found[]): Promise<void> {
  for (const { join, config } of found)
    if (!(await hasNetworkUsers(store, config))) throw otherNetworkUsers(join);
}

/** Why a rootless container that is to be made with these options could not be on a network with a bridge. */
export async function conflictWithNetworks(
  store: Store,
  options: RunOptions,
): Promise<CaissonError | undefined> {
  for (const option of Object.keys(NAMESPACES) as JoiningOption[]) {
    const container = joinedContainer(option, options[option]);
    if (container === undefined) continue;
    const join = { option, container };
    if (!(await hasNetworkUsers(store, await configOf(store, join))))
      return otherNetworkUsers(join);
  }
  return undefined;
}

function otherNetworkUsers({ option, container }: Join): CaissonError {
  return conflicting(
    option,
    `container ${container} has other users than the networks of a rootless user`,
    `create it on a network with a bridge, too, or this one with network "container:${container}"`,
  );
}

async function hasNetworkUsers(store: Store, config: StoredConfig): Promise<boolean> {
  if (hasConnections(config)) return true;
  const options = Object.keys(NAMESPACES) as JoiningOption[];
  for (const option of options) {
    const container = joinedContainer(option, config.options[option]);
    if (container === undefined) continue;
    const joined = await configOf(store, { option, container }).catch(() => undefined);
    // It was removed: the kernel tells at the start.
    return joined === undefined || hasNetworkUsers(store, joined);
  }
  return false;
}

/** Undefined when the process has ended; then the start fails when it opens the process. */
function userNamespace(pid: number): Promise<string | undefined> {
  return readlink(`/proc/${pid}/ns/user`).catch(() => undefined);
}

const NAME_FILES = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf'] as const;

/** Bytes of the largest of these files. */
const NAME_FILE_LIMIT = 1 << 20;

async function namesOf(context: StartContext, found: Found): Promise<JoinedNames> {
  const { config, pid, startTime, idBase } = found;
  const users = context.users === undefined ? undefined : await usersOf(pid);
  const contents = await readFiles(context, {
    pid,
    startTime: String(startTime),
    ownUserNamespace: idBase !== 0 || users !== undefined,
    groups: users?.lack === undefined,
    paths: NAME_FILES,
    limit: NAME_FILE_LIMIT,
  }).contents;
  const files = new Map<string, string>();
  NAME_FILES.forEach((path, index) => {
    const content = contents[index];
    if (typeof content === 'string') files.set(path, content);
  });
  return {
    hostname: await storedHostname(context.store, config),
    domainname: await storedDomainname(context.store, config),
    files,
  };
}
