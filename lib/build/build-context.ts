/** The directory of a build: which files an instruction copies, and whether they are those of last time. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { isErrno } from '../base/errno.js';
import { invalid } from '../base/check.js';
import { readIfThere } from '../base/storage.js';
import { dockerfileError } from './dockerfile-error.js';
import { IgnoreFile, matchesPath } from './ignore-file.js';

/** A file, directory or link to copy. Others (sockets, devices) cannot be in a context. */
export interface ContextEntry {
  /** On the host. */
  readonly source: string;
  /** Below the destination, with `/`; empty is the destination itself. */
  readonly name: string;
  readonly type: 'file' | 'directory' | 'link';
  /** Permission bits. */
  readonly mode: number;
  /** Bytes; 0 for what is no file. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly mtime: number;
  /** Of a link. */
  readonly target: string;
}

/** What one source of COPY stands for. */
export interface ContextSource {
  /** As it is found: a pattern stands for several. */
  readonly path: string;
  /** A directory: its content is copied, not itself. */
  readonly isDirectory: boolean;
  /** Of a directory, what is in it; of a file, itself alone with its base name. */
  readonly entries: readonly ContextEntry[];
}

/** Links in a row, as of the kernel (MAXSYMLINKS). */
const MOST_LINKS = 40;
const MOST_ENTRIES = 1_000_000;

export class BuildContext {
  private constructor(
    /** Absolute. */
    private readonly root: string,
    private readonly ignored: IgnoreFile,
  ) {}

  /**
   * @param root of the context, absolute.
   * @param dockerfile its path on the host: `NAME.dockerignore` beside it comes before the one of the context.
   * @throws ERR_INVALID_OPTION if it is no directory, or the patterns are malformed
   */
  static async open(root: string, dockerfile?: string): Promise<BuildContext> {
    const found = await lstatIfThere(root, true);
    if (found?.isDirectory() !== true) throw invalid('context', root, 'is not a directory');
    const names = [
      ...(dockerfile === undefined ? [] : [`${dockerfile}.dockerignore`]),
      join(root, '.dockerignore'),
    ];
    for (const name of names) {
      const source = readIfThere(name);
      if (source !== undefined) return new BuildContext(root, IgnoreFile.parse(source, name));
    }
    return new BuildContext(root, IgnoreFile.empty);
  }

  /**
   * @param source as in the Dockerfile, expanded: a path below the context, or a pattern.
   * @param exclude patterns below the source.
   * @throws ERR_INVALID_DOCKERFILE if nothing is found
   */
  async find(
    source: string,
    line: number,
    exclude: readonly string[] = [],
  ): Promise<readonly ContextSource[]> {
    const path = posix.join('/', source).slice(1).replace(/\/$/, '');
    const excluded = IgnoreFile.parse(exclude.join('\n'), '--exclude');
    const paths = /[*?[]/.test(path) ? await this.matching(path.split('/'), '') : [path];
    const sources: ContextSource[] = [];
    for (const one of paths) {
      const found = await this.sourceAt(one, line, excluded);
      if (found !== undefined) sources.push(found);
    }
    if (sources.length === 0) {
      const ignored = path !== '' && this.ignored.ignores(path);
      throw dockerfileError(
        line,
        `"/${path}" is not in the build context`,
        ignored ? 'a pattern of .dockerignore leaves it out' : undefined,
      );
    }
    return sources;
  }

  private async matching(pattern: readonly string[], below: string): Promise<string[]> {
    const [first, ...rest] = pattern;
    if (first === undefined) return [below];
    let names: string[];
    try {
      names = await readdir(join(this.root, below));
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
      throw error;
    }
    const fitting = names.filter((name) => matchesPath(first, name)).sort();
    const found = await Promise.all(
      fitting.map((name) => this.matching(rest, posix.join(below, name))),
    );
    return found.flat();
  }

  private async sourceAt(
    path: string,
    line: number,
    excluded: IgnoreFile,
  ): Promise<ContextSource | undefined> {
    const ignored = path !== '' && this.ignored.ignores(path);
    if (ignored && !this.ignored.mayHaveIncluded(path)) return undefined;
    const real = await this.resolve(path, line);
    const stats = real === undefined ? undefined : await lstatIfThere(join(this.root, real));
    if (real === undefined || stats === undefined) return undefined;
    if (stats.isDirectory()) {
      const entries: ContextEntry[] = [];
      await this.walk(real, '', excluded, entries, line);
      if (ignored && entries.length === 0) return undefined;
      return { path, isDirectory: true, entries };
    }
    const name = posix.basename(path);
    if (ignored || excluded.ignores(name)) return undefined;
    return { path, isDirectory: false, entries: [await this.entryOf(real, name, stats, line)] };
  }

  /** Links of the source itself are followed inside the context; undefined if it is missing. */
  private async resolve(path: string, line: number): Promise<string | undefined> {
    const open = path === '' ? [] : path.split('/');
    let done = '';
    for (let links = 0; open.length > 0; ) {
      const next = posix.join('/', done, open.shift()!).slice(1);
      const stats = await lstatIfThere(join(this.root, next));
      if (stats === undefined) return undefined;
      if (!stats.isSymbolicLink()) {
        done = next;
        continue;
      }
      if (++links > MOST_LINKS) throw dockerfileError(line, `"/${path}" has too many links`);
      const target = await readlink(join(this.root, next));
      const from = target.startsWith('/') ? '/' : posix.join('/', done);
      open.unshift(...posix.join(from, target).split('/').filter((part) => part !== ''));
      done = '';
    }
    return done;
  }

  private async walk(
    below: string,
    name: string,
    excluded: IgnoreFile,
    entries: ContextEntry[],
    line: number,
  ): Promise<void> {
    const children = await readdir(join(this.root, below));
    for (const child of children.sort()) {
      const path = posix.join(below, child);
      const inside = posix.join(name, child);
      const stats = await lstatIfThere(join(this.root, path));
      if (stats === undefined || excluded.ignores(inside)) continue;
      const ignored = this.ignored.ignores(path);
      if (ignored && !(stats.isDirectory() && this.ignored.mayHaveIncluded(path))) continue;
      const at = entries.length;
      if (at >= MOST_ENTRIES) {
        throw dockerfileError(line, `the source has more than ${MOST_ENTRIES} files`);
      }
      entries.push(await this.entryOf(path, inside, stats, line));
      if (stats.isDirectory()) await this.walk(path, inside, excluded, entries, line);
      // A directory that is left out is there for what is in it.
      if (ignored && entries.length === at + 1) entries.pop();
    }
  }

  private async entryOf(
    path: string,
    name: string,
    stats: Stats,
    line: number,
  ): Promise<ContextEntry> {
    const type = typeOf(stats);
    if (type === undefined) {
      throw dockerfileError(line, `"/${path}" is neither a file, a directory nor a link`);
    }
    const source = join(this.root, path);
    return {
      source,
      name,
      type,
      mode: stats.mode & 0o7777,
      size: type === 'file' ? stats.size : 0,
      mtime: stats.mtimeMs,
      target: type === 'link' ? await readlink(source) : '',
    };
  }
}

/** Names, types, modes and contents, without times: the same files are the same digest. In hex. */
export async function digestOf(sources: readonly ContextSource[]): Promise<string> {
  const hash = createHash('sha256');
  for (const { path, isDirectory, entries } of sources) {
    hash.update(JSON.stringify([isDirectory ? '' : path, isDirectory]));
    for (const entry of entries) {
      const { name, type, mode, size, target } = entry;
      hash.update(JSON.stringify([name, type, mode, size, target]));
      if (type === 'file') await addContent(hash, entry);
    }
  }
  return hash.digest('hex');
}

async function addContent(hash: Hash, { source, size }: ContextEntry): Promise<void> {
  if (size === 0) return;
  for await (const part of createReadStream(source, { end: size - 1 })) hash.update(part as Buffer);
}

function typeOf(stats: Stats): ContextEntry['type'] | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'link' : undefined;
}

async function lstatIfThere(path: string, follow = false): Promise<Stats | undefined> {
  try {
    return await (follow ? stat(path) : lstat(path));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
