/** What a running container is told about names, after one of its networks has changed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { addressesOf, type Endpoint } from '../../network/bridge/endpoint.js';
import type { NetworkStore } from '../../network/bridge/network-store.js';
import { REDIRECT, registrationOf } from '../../network/names/name-servers.js';
import { encodeRegistration } from '../../network/names/registration.js';
import { tellResolver } from '../../network/names/resolver-client.js';
import { type NetlinkOptions, requestNetlink } from '../../network/netlink/request.js';
import { shortId } from '../../base/ids.js';
import { usersOf } from '../../host/user-namespace-ids.js';
import { readIfThere } from '../../base/storage.js';
import type { InjectedFile } from '../../program/launch-input.js';
import type { ContainerConfig } from '../options/config.js';
import { injectedFiles, ownNames } from '../spec/files.js';
import { namesOf } from '../start/bridge-connection.js';
import { readFiles } from '../start/container-files.js';
import type { StartContext } from '../start/context.js';
import { writeFiles } from '../start/write-container-files.js';
import type { StoredState } from '../store/stored.js';

/** A container that runs. */
export interface NamedContainer {
  /** Long id. */
  readonly id: string;
  readonly state: StoredState;
  /** With the connections of before and after. */
  readonly config: Pick<ContainerConfig, 'name' | 'hostname' | 'domainname' | 'names' | 'endpoints' | 'policy' | 'mounts' | 'readOnly'>; // prettier-ignore
  /** What it had for a policy, if that is what changes. */
  readonly earlier?: Pick<ContainerConfig, 'policy'>;
  /** For requests about its network namespace. */
  readonly inside: NetlinkOptions;
}

const HOSTS = '/etc/hosts';
const RESOLV_CONF = '/etc/resolv.conf';

/** Bytes of the largest of these files. */
const LIMIT = 1 << 20;

/**
 * Tells the resolver of its networks, and adapts /etc/hosts and, if it did not have the resolver, /etc/resolv.conf.
 *
 * @throws ERR_NETWORK_FAILED if the resolver does not take it; files that cannot be written are a warning
 */
export async function updateNames(
  context: StartContext,
  networks: NetworkStore,
  container: NamedContainer,
  before: readonly Endpoint[],
  after: readonly Endpoint[],
): Promise<void> {
  const { id, state, config, inside, earlier: past } = container;
  const { resolver, netlink } = networks;
  const ofHost = readIfThere('/etc/resolv.conf') ?? '';
  const hostResolvConf = (await netlink.userNetwork?.resolvConf(ofHost)) ?? ofHost;
  // The resolver keeps a file for each of its containers.
  const hadResolver = existsSync(join(resolver, id));
  const { container: named, files } = namesOf(id, config, after, hostResolvConf, hadResolver);
  const registration = registrationOf(named);
  if (registration !== undefined) {
    if (!hadResolver) await requestNetlink(REDIRECT, inside);
    const process = { pid: state.pid, startTime: BigInt(state.startTime) };
    await tellResolver(resolver, encodeRegistration(registration, process), netlink);
  }
  const earlier = namesOf(id, { ...config, ...past }, before, hostResolvConf, hadResolver).files;
  try {
    await updateFiles(context, container, {
      removed: addressTexts(before).filter((address) => !addressTexts(after).includes(address)),
      added: addressTexts(after).filter((address) => !addressTexts(before).includes(address)),
      resolvConf: [
        resolvConfOf(config, before.length === 0 ? undefined : earlier),
        resolvConfOf(config, files),
      ],
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.emitWarning(`${HOSTS} and ${RESOLV_CONF} of container ${shortId(id)} are not up to date: ${why}`, { code: 'CAISSON_NETWORK' }); // prettier-ignore
  }
}

function addressTexts(endpoints: readonly Endpoint[]): string[] {
  return endpoints.flatMap(addressesOf).map(({ address }) => address);
}

function resolvConfOf(
  { names }: NamedContainer['config'],
  files: Parameters<typeof injectedFiles>[2],
): string {
  return injectedFiles(names, '', files).find(({ path }) => path === RESOLV_CONF)?.content ?? '';
}

interface FileChange {
  /** Addresses of the container. */
  readonly removed: readonly string[];
  readonly added: readonly string[];
  readonly resolvConf: readonly [before: string, after: string];
}

async function updateFiles(
  context: StartContext,
  { id, state, config }: NamedContainer,
  { removed, added, resolvConf: [before, after] }: FileChange,
): Promise<void> {
  const own = [HOSTS, RESOLV_CONF].filter(
    (path) => !config.mounts.some(({ target }) => target === path),
  );
  const users = context.users === undefined ? undefined : await usersOf(state.pid);
  const inside = {
    pid: state.pid,
    ownUserNamespace: state.idBase !== 0 || users !== undefined,
    groups: users?.lack === undefined,
  };
  const contents = await readFiles(context, {
    ...inside,
    startTime: state.startTime,
    paths: own,
    limit: LIMIT,
  }).contents;
  const changed: InjectedFile[] = [];
  own.forEach((path, index) => {
    const content = contents[index];
    if (typeof content !== 'string') return;
    const wanted =
      path === HOSTS
        ? changedHosts(
            content,
            ownNames(config.hostname ?? shortId(id), config.domainname),
            removed,
            added,
          )
        : // One that the container has changed is its own, as with Docker.
          content === before
          ? after
          : content;
    if (wanted !== content) changed.push({ path, content: wanted });
  });
  if (changed.length === 0) return;
  if (config.readOnly) throw new Error('its root is read-only');
  await writeFiles(context, { ...inside, startTime: BigInt(state.startTime) }, changed);
}

/** As Docker: a line for each address of the container, with its names; lines of its own with other names stay. */
export function changedHosts(
  hosts: string,
  names: string,
  removed: readonly string[],
  added: readonly string[],
): string {
  const gone = new Set(removed.map((address) => `${address}\t${names}`));
  const lines = hosts.split('\n').filter((line) => !gone.has(line));
  const text = lines.join('\n');
  const end = text === '' || text.endsWith('\n') ? '' : '\n';
  return `${text}${end}${added.map((address) => `${address}\t${names}\n`).join('')}`;
}
