/** What is on disk of containers that are kept (docs/lifecycle.md): found, read, claimed, replaced. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
} from 'node:fs';
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
import { shortId } from '../../base/ids.js';
import { isErrno } from '../../base/errno.js';
import { show } from '../../base/check.js';
import { isAlive } from '../../host/owner.js';
import { isFull, StagedFile, storageError } from '../../base/storage.js';
import type {
  ContainerInfo,
  ContainerStatus,
  HealthResult,
  HealthStatus,
  StoredConfig,
  StoredHealth,
  StoredState,
  StoredStatus,
} from './stored.js';

const LONG_ID = /^[0-9a-f]{64}$/;
const PREFIX = /^[0-9a-f]{1,64}$/;

/** A name whose container is not there yet is younger than this, in milliseconds. */
const HALF_MADE = 30_000;

/** No container's, but in the place of an id: held while a name is taken over. */
const NAMES_LOCK = 'f'.repeat(64);

export const CREATED: StoredState = {
  status: 'created',
  pid: 0,
  startTime: '',
  supervisor: '',
  idBase: 0,
  startedAt: '',
  finishedAt: '',
  exitCode: 0,
  oomKilled: false,
  error: '',
  restartCount: 0,
  stopped: false,
  logLost: 0,
};

const STATUSES: ReadonlySet<StoredStatus> = new Set([
  'created',
  'running',
  'restarting',
  'exited',
  'removing',
]);

const HEALTH_STATUSES: ReadonlySet<HealthStatus> = new Set(['starting', 'healthy', 'unhealthy']);

export interface Paths {
  readonly dataRoot: string;
  readonly runRoot: string;
}

export const DEFAULT_PATHS: Paths = { dataRoot: '/var/lib/caisson', runRoot: '/run/caisson' };

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
   * @throws ERR_NO_PRIVILEGES when one cannot be made, or somebody else could put something else in its place: what
   *   the engine does with its files by their names, as root, is only safe where nobody else can change them.
   */
  prepare(): void {
    const { dataRoot, runRoot } = this.paths;
    if (this.prepared) return;
    makeDirectory(dataRoot);
    checkOwnDirectory(dataRoot);
    makeDirectory(runRoot);
    checkOwnDirectory(runRoot);
    // Nobody else can put anything in the place of these.
    for (const path of [this.containers, this.names, this.sockets]) makeDirectory(path);
    this.prepared = true;
  }

  directory(id: string): string {
    return `${this.containers}/${id}`;
  }

  // ---- finding

  /** Long ids of all containers that are kept. */
  ids(): string[] {
    try {
      return readdirSync(this.containers).filter((name) => LONG_ID.test(name));
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
      if (LONG_ID.test(reference) && (await this.exists(reference))) return reference;
      const name = reference.startsWith('/') ? reference.slice(1) : reference;
      const named = name.includes('/') || name === '' ? undefined : await this.named(name);
      if (named !== undefined && (await this.exists(named))) return named;
      if (PREFIX.test(reference)) {
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

  /** False when somebody has it. A name that a crash left to no container is taken over. */
  async claimName(name: string, id: string): Promise<boolean> {
    const link = join(this.names, name);
    if (await claim(link, id)) return true;
    if (!(await this.isStale(link))) return false;
    // Loaded only now, as it takes the addon.
    const { withLock } = await import('./locks.js');
    // One at a time: who looked before somebody else took it over would remove that one's claim.
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
    if (target !== undefined && LONG_ID.test(target) && (await this.exists(target))) return false;
    return Date.now() - made.mtimeMs >= HALF_MADE;
  }

  async releaseName(name: string, id: string): Promise<void> {
    if ((await this.named(name)) === id)
      await unlink(join(this.names, name)).catch(() => undefined);
  }

  /** Whatever names point to it. */
  async releaseNamesOf(id: string): Promise<void> {
    const names: string[] = await readdir(this.names).catch(() => []);
    for (const name of names) await this.releaseName(name, id);
  }

  // ---- files

  /**
   * A new container's directory, with what it is.
   *
   * @param owner with whom it ends (owner.ts); undefined: it is kept.
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
   * What the container is to be once every other place of a change has been changed.
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

  /** Of a supervisor that was killed; others take their own away. */
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
      // The old one has room for it. Who finds it torn recovers it.
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
    const config = parse(text) as StoredConfig | undefined;
    if (config?.version !== 1 || config.id !== id || typeof config.name !== 'string') {
      throw new CaissonError('ERR_DAMAGED_STATE', `container ${shortId(id)}: ${path} is damaged`, {
        stage: 'config',
        path,
        hint: 'what it was cannot be known any more; rm -f removes it',
      });
    }
    return config;
  }

  /** Damaged is said of what cannot be believed: a torn or foreign file. */
  state(id: string): { readonly state: StoredState; readonly damaged: boolean } {
    const text = readIfThere(`${this.directory(id)}/state.json`);
    if (text === undefined) return { state: CREATED, damaged: false };
    const state = parseState(text);
    return state === undefined ? { state: CREATED, damaged: true } : { state, damaged: false };
  }

  /** Undefined where there has been no check, nor a start with one. */
  health(id: string): StoredHealth | undefined {
    const text = readIfThere(`${this.directory(id)}/health.json`);
    return text === undefined ? undefined : parseHealth(text);
  }

  /** With its health: nobody asks what does not run, and that is unhealthy, as with Docker. */
  info(config: StoredConfig, state: StoredState, status: ContainerStatus): ContainerInfo {
    const health = config.healthcheck === undefined ? undefined : this.health(config.id);
    if (health === undefined) return { config, state, status };
    if (status === 'running' || status === 'paused') return { config, state, status, health };
    return { config, state, status, health: { ...health, status: 'unhealthy' } };
  }

  /** Whether somebody keeps it running, or is about to run it again. */
  isSupervised({ supervisor }: StoredState): boolean {
    return supervisor !== '' && isAlive(supervisor);
  }
}

/** Whether a state can be believed as it is: nobody who should be there is missing. */
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

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    // A link has the name: who looks at it says so.
    if (isLink(path)) return;
    const { code } = cause as NodeJS.ErrnoException;
    if (isErrno(cause, 'ENOTDIR', 'EEXIST', 'ELOOP', 'ENAMETOOLONG', 'ENOENT'))
      throw new CaissonError('ERR_INVALID_OPTION', `${path} cannot be made: ${code}`, {
        stage: 'config',
        path,
        errno: code,
        hint: 'choose other directories: dataRoot and runRoot',
        cause,
      });
    if (!isErrno(cause, 'EACCES', 'EPERM', 'EROFS')) throw storageError(path, cause);
    throw new CaissonError('ERR_NO_PRIVILEGES', `${path} cannot be made by this user`, {
      stage: 'config',
      path,
      hint: 'choose directories of your own: dataRoot and runRoot, or HOME and XDG_RUNTIME_DIR',
      cause,
    });
  }
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

/** A directory of this user's, no link to one, into which nobody else can put anything. */
function checkOwnDirectory(path: string): void {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  let lack: string | undefined;
  try {
    const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      const { uid, mode } = fstatSync(fd);
      if (uid !== process.geteuid?.()) lack = `belongs to user ${uid}`;
      else if ((mode & 0o022) !== 0) lack = 'can be written to by others';
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (!isErrno(error, 'ELOOP', 'ENOTDIR', 'EACCES')) throw error;
    lack = isErrno(error, 'EACCES') ? 'cannot be read by this user' : 'is a link, or no directory';
  }
  if (lack === undefined) return;
  throw new CaissonError('ERR_NO_PRIVILEGES', `${path} ${lack}`, {
    stage: 'config',
    path,
    hint: 'dataRoot and runRoot have to be directories of the user who runs caisson, that nobody else may write to',
  });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Undefined for a text that is not a whole state; what an earlier version did not write has its first value. */
export function parseState(text: string): StoredState | undefined {
  const value = parse(text);
  if (typeof value !== 'object' || value === null) return undefined;
  const state = { ...CREATED, ...value };
  const whole =
    'pid' in value &&
    'supervisor' in value &&
    'exitCode' in value &&
    Object.entries(CREATED).every(
      ([name, first]) => typeof state[name as keyof StoredState] === typeof first,
    ) &&
    STATUSES.has(state.status) &&
    [state.pid, state.idBase, state.exitCode, state.restartCount, state.logLost].every(
      Number.isSafeInteger,
    );
  return whole ? state : undefined;
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

/** Undefined for a text that is not what a supervisor writes of health checks. */
export function parseHealth(text: string): StoredHealth | undefined {
  const health = parse(text) as Partial<StoredHealth> | null | undefined;
  const whole =
    typeof health === 'object' &&
    health !== null &&
    HEALTH_STATUSES.has(health.status!) &&
    Number.isInteger(health.failingStreak) &&
    Array.isArray(health.log) &&
    health.log.every(isHealthResult);
  return whole ? (health as StoredHealth) : undefined;
}

function isHealthResult(value: unknown): value is HealthResult {
  const result = value as Partial<HealthResult> | null;
  return (
    typeof result === 'object' &&
    result !== null &&
    [result.start, result.end, result.output].every((text) => typeof text === 'string') &&
    Number.isInteger(result.exitCode)
  );
}
