/** The files of detached containers (docs/lifecycle.md): finding, reading, claiming and replacing them. */
import { existsSync, readdirSync } from 'node:fs';
import {
  lstat,
  mkdir,
  readdir,
  readlink,
  rm,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { CaissonError } from '../../base/errors.js';
import { isIdPrefix, isLongId, shortId } from '../../base/ids.js';
import { isErrno } from '../../base/errno.js';
import { show } from '../../base/check.js';
import { isAlive } from '../../host/owner.js';
import type { Paths } from '../../base/roots.js';
import { isFull, parseJson, readIfThere, StagedFile, storageError } from '../../base/storage.js';
import { CREATED, parseHealth, parseState } from './parse-stored.js';
import { checkOwnDirectory, makeDirectory } from '../../host/private-directory.js';
import type {
  ContainerInfo,
  ContainerStatus,
  PortInfo,
  StoredConfig,
  StoredHealth,
  StoredState,
} from './stored.js';

/** Milliseconds; a name whose container is not there after this was left by a crash. */
const HALF_MADE = 30_000;

export class Store {
  readonly containers: string;
  readonly names: string;
  readonly sockets: string;
  readonly events: string;
  private prepared = false;

  constructor(readonly paths: Paths) {
    this.containers = join(paths.dataRoot, 'containers');
    this.names = join(paths.dataRoot, 'names');
    this.sockets = join(paths.runRoot, 'supervisors');
    this.events = join(paths.runRoot, 'events');
  }

  /**
   * Makes the directories, which only their owner may enter.
   *
   * @throws ERR_NO_PRIVILEGES when one cannot be made, or another user could replace it: the engine opens its files by
   *   name, as root, which is safe only where no other user can change them.
   */
  prepare(): void {
    const { dataRoot, runRoot } = this.paths;
    // Something may have removed the run directory.
    if (this.prepared && existsSync(this.sockets)) return;
    makeDirectory(dataRoot);
    checkOwnDirectory(dataRoot);
    makeDirectory(runRoot);
    checkOwnDirectory(runRoot);
    // No other user can replace these.
    for (const path of [this.containers, this.names, this.sockets]) makeDirectory(path);
    this.prepared = true;
  }

  directory(id: string): string {
    return `${this.containers}/${id}`;
  }

  // ---- finding

  /** Long ids of all detached containers. */
  ids(): string[] {
    try {
      return readdirSync(this.containers).filter((name) => isLongId(name));
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }

  /**
   * By long id, by name, or by the beginning of an id, in this order.
   *
   * @throws ERR_NO_SUCH_CONTAINER, ERR_AMBIGUOUS_ID
   */
  async find(reference: string): Promise<string> {
    if (typeof reference === 'string' && reference !== '') {
      if (isLongId(reference) && (await this.exists(reference))) return reference;
      const name = reference.startsWith('/') ? reference.slice(1) : reference;
      const named = name.includes('/') || name === '' ? undefined : await this.named(name);
      if (named !== undefined && (await this.exists(named))) return named;
      if (isIdPrefix(reference)) {
        const found: string[] = [];
        for (const id of this.ids())
          if (id.startsWith(reference) && (await this.exists(id))) found.push(id);
        if (found.length > 1) {
          throw new CaissonError(
            'ERR_AMBIGUOUS_ID',
            `multiple containers have ids that begin with ${reference}`,
            { stage: 'config', path: reference, hint: 'give more digits' },
          );
        }
        if (found[0] !== undefined) return found[0];
      }
    }
    throw noSuchContainer(reference);
  }

  private async exists(id: string): Promise<boolean> {
    return lstat(`${this.directory(id)}/config.json`).then(
      () => true,
      () => false,
    );
  }

  // ---- names

  /** The id that has the name. */
  async named(name: string): Promise<string | undefined> {
    return readlink(join(this.names, name)).catch(() => undefined);
  }

  /** False when another container has it. A name that a crash left without a container is taken over. */
  async claimName(name: string, id: string): Promise<boolean> {
    const link = join(this.names, name);
    if (await claim(link, id)) return true;
    if (!(await this.isStale(link))) return false;
    // Loaded only now, as it takes the addon.
    const { NAMES_LOCK, withLock } = await import('../../host/locks.js');
    // One at a time: a process that looked before another one took the name over would remove that one's claim.
    await withLock(this.paths.runRoot, NAMES_LOCK, async () => {
      if (await this.isStale(link)) await unlink(link).catch(() => undefined);
    });
    return claim(link, id);
  }

  private async isStale(link: string): Promise<boolean> {
    const [target, made] = await Promise.all([
      readlink(link).catch(() => undefined),
      lstat(link).catch(() => undefined),
    ]);
    if (made === undefined) return false;
    if (target !== undefined && isLongId(target) && (await this.exists(target))) return false;
    return Date.now() - made.mtimeMs >= HALF_MADE;
  }

  async releaseName(name: string, id: string): Promise<void> {
    if ((await this.named(name)) === id)
      await unlink(join(this.names, name)).catch(() => undefined);
  }

  /** All names that lead to it. */
  async releaseNamesOf(id: string): Promise<void> {
    const names: string[] = await readdir(this.names).catch(() => []);
    for (const name of names) await this.releaseName(name, id);
  }

  // ---- files

  /**
   * A new container's directory, with what it is.
   *
   * @param owner the process with which it ends (owner.ts); undefined: it outlives its caller
   */
  async add(config: StoredConfig, owner: string | undefined): Promise<void> {
    const directory = this.directory(config.id);
    try {
      await mkdir(directory, { mode: 0o700 });
      if (owner !== undefined) await symlink(owner, join(directory, 'owner'));
    } catch (error) {
      throw storageError(directory, error);
    }
    await this.writeConfig(config);
  }

  async writeConfig(config: StoredConfig): Promise<void> {
    await (await this.stageConfig(config)).commit();
  }

  /**
   * Writes a configuration beside the present one, which it replaces once every other part of a change has been made.
   *
   * @throws ERR_STORAGE, ERR_NO_SUCH_CONTAINER
   */
  async stageConfig(config: StoredConfig): Promise<StagedFile> {
    const path = join(this.directory(config.id), 'config.json');
    try {
      return await StagedFile.write(path, `${JSON.stringify(config)}\n`);
    } catch (error) {
      throw isErrno(error, 'ENOENT') ? noSuchContainer(config.id) : error;
    }
  }

  /** From here on there is no such container, whatever is left of its directory. */
  async removeConfig(id: string): Promise<void> {
    await rm(`${this.directory(id)}/config.json`, { force: true });
  }

  /** The socket of a supervisor that was killed; any other removes its own. */
  async removeSocket(id: string): Promise<void> {
    await rm(join(this.sockets, id), { force: true });
  }

  async writeState(id: string, state: StoredState): Promise<void> {
    const path = `${this.directory(id)}/state.json`;
    const text = `${JSON.stringify(state)}\n`;
    try {
      await (await StagedFile.write(path, text)).commit();
    } catch (full) {
      if (!isFull(full)) throw full;
      // The old file has room for it. If it is torn, the next process that reads it recovers the container.
      try {
        await writeFile(path, text, { flag: 'r+' });
        await truncate(path, Buffer.byteLength(text));
      } catch (error) {
        throw isErrno(error, 'ENOENT') ? full : storageError(path, error);
      }
    }
  }

  /**
   * Undefined when there is no such container (any more).
   *
   * @throws ERR_DAMAGED_STATE when its configuration cannot be read
   */
  config(id: string): StoredConfig | undefined {
    const path = `${this.directory(id)}/config.json`;
    const text = readIfThere(path);
    if (text === undefined) return undefined;
    const config = parseJson(text) as StoredConfig | undefined;
    if (config?.version !== 1 || config.id !== id || typeof config.name !== 'string') {
      throw new CaissonError('ERR_DAMAGED_STATE', `container ${shortId(id)}: ${path} is damaged`, {
        stage: 'config',
        path,
        hint: 'its configuration is lost; rm -f removes it',
      });
    }
    return config;
  }

  /** `damaged`: the file is torn, or no supervisor's. */
  state(id: string): { readonly state: StoredState; readonly damaged: boolean } {
    const text = readIfThere(`${this.directory(id)}/state.json`);
    if (text === undefined) return { state: CREATED, damaged: false };
    const state = parseState(text);
    return state === undefined ? { state: CREATED, damaged: true } : { state, damaged: false };
  }

  /** The ports of the host that a network in user mode forwards, from before the start on. */
  async writePorts(id: string, ports: readonly PortInfo[]): Promise<void> {
    const path = `${this.directory(id)}/ports.json`;
    await (await StagedFile.write(path, `${JSON.stringify(ports)}\n`)).commit();
  }

  /** Those of the last start. */
  ports(id: string): readonly PortInfo[] {
    const ports = parseJson(readIfThere(`${this.directory(id)}/ports.json`) ?? '');
    return Array.isArray(ports) ? (ports as readonly PortInfo[]) : [];
  }

  /** Undefined where there has been no check, nor a start with one. */
  health(id: string): StoredHealth | undefined {
    const text = readIfThere(`${this.directory(id)}/health.json`);
    return text === undefined ? undefined : parseHealth(text);
  }

  /** With its health. A container that does not run is not checked, and counts as unhealthy, as with Docker. */
  info(config: StoredConfig, state: StoredState, status: ContainerStatus): ContainerInfo {
    const health = config.healthcheck === undefined ? undefined : this.health(config.id);
    if (health === undefined) return { config, state, status };
    if (status === 'running' || status === 'paused') return { config, state, status, health };
    return { config, state, status, health: { ...health, status: 'unhealthy' } };
  }

  /** Whether there is a supervisor that runs it, or is about to run it again. */
  isSupervised({ supervisor }: StoredState): boolean {
    return supervisor !== '' && isAlive(supervisor);
  }
}

/** Undefined when it has been removed, or its configuration cannot be read. */
export function readableConfig(store: Store, id: string): StoredConfig | undefined {
  try {
    return store.config(id);
  } catch {
    return undefined; // the next command that needs it reports the damage
  }
}

/** Whether a state is true: an active container has a supervisor. */
export function isSettled(store: Store, { state, damaged }: ReturnType<Store['state']>): boolean {
  if (damaged || state.status === 'removing') return false;
  return !isActive(state) || store.isSupervised(state);
}

/** Whether it has processes, or will have some again without a command. */
export function isActive({ status }: StoredState): boolean {
  return status === 'running' || status === 'restarting';
}

export function noSuchContainer(reference: unknown): CaissonError {
  const text = typeof reference === 'string' ? reference : show(reference);
  return new CaissonError('ERR_NO_SUCH_CONTAINER', `No such container: ${text}`, {
    stage: 'config',
    path: text,
  });
}

/** @param id of the container that has the name, where it is known */
export function nameInUse(name: string, id: string | undefined): CaissonError {
  return new CaissonError(
    'ERR_NAME_IN_USE',
    `the name "${name}" is in use by container ${id === undefined ? '(unknown)' : shortId(id)}`,
    {
      stage: 'config',
      path: name,
      hint: 'remove or rename that container, or choose another name',
    },
  );
}

async function claim(link: string, id: string): Promise<boolean> {
  try {
    await symlink(id, link);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw storageError(link, error);
  }
}
