/**
 * What V8 has compiled for a command, kept for the next one: without it, `run` takes twice the processor time.
 *
 * A user that can write these files decides what the commands of this user do. So they are in a directory that belongs to this user
 * alone, which for root does not follow from the environment, and only regular files of this user are read.
 * docs/decisions/0030-packed-modules.md
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';

/** Of different versions of caisson and of Node. */
const MOST_VERSIONS = 8;

/** Below it the directories of all versions are; undefined where there is no place for them. */
export function cacheRoot(
  env: NodeJS.ProcessEnv = process.env,
  uid = process.geteuid?.(),
): string | undefined {
  if (uid === 0) return '/var/cache/caisson';
  const [cache, account] = [env['XDG_CACHE_HOME'] ?? '', env['HOME'] ?? ''];
  if (cache.startsWith('/')) return join(cache, 'caisson');
  return account.startsWith('/') ? join(account, '.cache/caisson') : undefined;
}

export class CodeCache {
  /** By the files that they are kept in. */
  readonly #scripts = new Map<string, Script>();
  /** Of the command: each of them has compiled something else of the packs after the first one. */
  #prefix = '';
  #isComplete = true;

  /** @param directory of this version of caisson and of Node */
  constructor(private readonly directory: string) {}

  compile(pack: string, module: string, source: string, filename: string): Script {
    if (this.#scripts.size === 1) this.#prefix = `${module.replaceAll('/', '-')}.`;
    const path = join(this.directory, `${this.#prefix}${pack}`);
    const script = new Script(source, { filename, cachedData: this.#read(path) });
    this.#scripts.set(path, script);
    // V8 refuses what another version of it, or one with other flags, has compiled.
    if (script.cachedDataRejected !== false) this.#isComplete = false;
    return script;
  }

  /** Undefined where there is nothing, or what there is may be another user's. */
  #read(path: string): Buffer | undefined {
    if (!isPrivate(this.directory)) return undefined;
    let file: number;
    try {
      file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK); // prettier-ignore
    } catch {
      return undefined;
    }
    try {
      const stats = fstatSync(file);
      if (!stats.isFile() || stats.uid !== process.geteuid?.() || (stats.mode & 0o022) !== 0)
        return undefined;
      const bytes = Buffer.allocUnsafeSlow(stats.size);
      return readSync(file, bytes) === stats.size ? bytes : undefined;
    } catch {
      return undefined;
    } finally {
      closeSync(file);
    }
  }

  /** After the command: what it has compiled of all files, if some of that was not there yet. A failure does not matter. */
  save(): void {
    if (this.#isComplete) return;
    try {
      if (!isPrivate(this.directory)) makeRoom(this.directory);
      if (!isPrivate(this.directory)) return;
      for (const [path, script] of this.#scripts) {
        const staged = `${path}.${process.pid}`;
        writeFileSync(staged, script.createCachedData(), { flag: 'wx', mode: 0o600 });
        renameSync(staged, path);
      }
    } catch {
      // The disk is full or read-only: the next command compiles again.
    }
  }
}

/** Others can neither write there nor read. */
function isPrivate(directory: string): boolean {
  try {
    const stats = lstatSync(directory);
    return stats.isDirectory() && stats.uid === process.geteuid?.() && (stats.mode & 0o077) === 0;
  } catch {
    return false;
  }
}

/** Makes it, and removes those that were not written to for the longest time. */
function makeRoom(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const root = dirname(directory);
  const versions = readdirSync(root)
    .map((name) => join(root, name))
    .map((path) => ({ path, changed: statSync(path).mtimeMs }))
    .sort((one, other) => other.changed - one.changed);
  for (const { path } of versions.slice(MOST_VERSIONS)) rmSync(path, { recursive: true, force: true }); // prettier-ignore
}
