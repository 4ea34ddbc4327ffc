/** `container.files`: a container's files, from outside, whether it runs or not (docs/files.md). */
import type { Readable } from 'node:stream';
import type { CopyOptions, CopyResult } from '../../archive/copy.js';
import type { View } from '../../archive/view.js';
import type { FileStat } from '../../archive/file-stat.js';
import { containerPath } from '../../archive/copy-paths.js';
import type * as operations from '../../archive/file-operations.js';
import type { FileEntry, WriteOptions } from '../../archive/file-operations.js';
import type { FileServer, WatchedChange } from '../../archive/file-server.js';
import { boolean, checkOptions, invalid, plainString, wholeNumber } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import type { ContainerContext } from './container-context.js';
import { notRunning } from './transitions.js';

type Operations = typeof operations;

/** Bytes. */
const READ_LIMIT = 256 << 20;
const MAX_READ = 2 ** 31 - 1;
const MAX_ID = 2 ** 32 - 2;

let make: (context: ContainerContext, id: string) => ContainerFiles;

/** @param id long id of the container */
export function filesOf(context: ContainerContext, id: string): ContainerFiles {
  return make(context, id);
}

/**
 * `Container.files`: files of a container, whether it runs or not.
 *
 * Paths are the container's: absolute, or from its root. Its links are followed inside it, and lead nowhere else. Errors are
 * ERR_NO_SUCH_FILE, ERR_FILES_FAILED, ERR_NO_SUCH_CONTAINER, and ERR_LOCK_TIMEOUT when a container that does not run is being changed
 * by another process.
 */
export class ContainerFiles {
  readonly #context: ContainerContext;
  readonly #id: string;
  /** Of the container's present run. */
  #server: { readonly run: string; readonly server: FileServer } | undefined;

  static {
    make = (context, id) => new ContainerFiles(context, id);
  }

  private constructor(context: ContainerContext, id: string) {
    this.#context = context;
    this.#id = id;
  }

  /**
   * What is at a path: of a link the link itself, unless `follow` is set.
   *
   * @example
   * const { kind, mode } = await box.files.stat('/tmp');
   * console.log(kind, mode.toString(8)); // directory 1777
   */
  async stat(path: string, options: { readonly follow?: boolean } = {}): Promise<FileStat> {
    const { follow = false } = checkOptions(options);
    boolean('follow', follow);
    return this.#serve(path, ({ statPath }, server, place) => statPath(server, place, follow));
  }

  /**
   * What a directory has, in the order of the names' bytes.
   *
   * @example
   * await box.files.write('/app/main.sh', 'date\n');
   * for (const { name, size } of await box.files.list('/app')) console.log(name, size); // main.sh 5
   */
  list(path: string): Promise<FileEntry[]> {
    return this.#serve(path, ({ listDirectory }, server, place) => listDirectory(server, place));
  }

  /**
   * The content of a regular file.
   *
   * @param options `limit`: bytes, 256 MiB by default
   * @throws ERR_FILES_FAILED with `errno` EFBIG for a larger one
   *
   * @example
   * const bytes = await box.files.read('/etc/passwd', { limit: 1 << 20 });
   * console.log(bytes.length > 0); // true
   */
  async read(path: string, options: { readonly limit?: number } = {}): Promise<Buffer> {
    const { limit = READ_LIMIT } = checkOptions(options);
    wholeNumber('limit', limit, 0, MAX_READ);
    return this.#serve(path, ({ readFile }, server, place) => readFile(server, place, limit));
  }

  /**
   * The same as text of UTF-8.
   *
   * @example
   * console.log((await box.files.readText('/etc/passwd')).startsWith('root:')); // true
   */
  async readText(path: string, options: { readonly limit?: number } = {}): Promise<string> {
    return (await this.read(path, options)).toString('utf8');
  }

  /**
   * Replaces the content of a file, or makes it, and the directories above it that are missing: root's, with the mode 0755.
   *
   * @example
   * await box.files.write('/app/log', 'one\n', { mode: 0o600 });
   * await box.files.write('/app/log', 'two\n', { append: true });
   * console.log((await box.exec(['wc', '-l', '/app/log'])).stdout.trim()); // 2 /app/log
   */
  async write(
    path: string,
    content: string | Uint8Array,
    options: WriteOptions = {},
  ): Promise<void> {
    const { mode, append, exclusive } = checkOptions(options);
    if (mode !== undefined) wholeNumber('mode', mode, 0, 0o7777);
    for (const [name, value] of Object.entries({ append, exclusive }))
      if (value !== undefined) boolean(name, value);
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    if (!(bytes instanceof Uint8Array))
      throw invalid('content', content, 'is neither a text nor bytes');
    return this.#serve(path, ({ writeFile }, server, place) =>
      writeFile(server, place, bytes, options),
    );
  }

  /**
   * Makes a directory. With `recursive`, missing ones above it, too, and one that is there is no error.
   *
   * @param options `mode`: default 0o755
   *
   * @example
   * await box.files.mkdir('/app/a/b', { recursive: true });
   */
  async mkdir(
    path: string,
    options: { readonly mode?: number; readonly recursive?: boolean } = {},
  ): Promise<void> {
    const { mode = 0o755, recursive = false } = checkOptions(options);
    wholeNumber('mode', mode, 0, 0o7777);
    boolean('recursive', recursive);
    return this.#serve(path, ({ makeDirectory }, server, place) =>
      makeDirectory(server, place, mode, recursive),
    );
  }

  /**
   * Removes a file, a link or an empty directory; with `recursive`, all that is in it. With `force`, what is not there is no error.
   *
   * @example
   * await box.files.mkdir('/app/a/b', { recursive: true });
   * await box.files.remove('/app', { recursive: true });
   */
  async remove(
    path: string,
    options: { readonly recursive?: boolean; readonly force?: boolean } = {},
  ): Promise<void> {
    const { recursive = false, force = false } = checkOptions(options);
    boolean('recursive', recursive);
    boolean('force', force);
    try {
      await this.#ask(path, 'remove', recursive ? 1 : 0);
    } catch (error) {
      if (!(force && error instanceof CaissonError && error.code === 'ERR_NO_SUCH_FILE'))
        throw error;
    }
  }

  /**
   * Gives a file or directory another name, in place of a file or an empty directory that has it.
   *
   * @example
   * await box.files.write('/new', 'hello');
   * await box.files.rename('/new', '/said');
   * console.log(await box.files.readText('/said')); // hello
   */
  rename(from: string, to: string): Promise<void> {
    return this.#ask(from, 'rename', containerPath(plainString('to', to)));
  }

  /**
   * Changes the permissions of a file or directory; links are followed.
   *
   * @param mode such as `0o644`
   *
   * @example
   * await box.files.write('/run.sh', '#!/bin/sh\necho hello\n');
   * await box.files.chmod('/run.sh', 0o755);
   * console.log((await box.exec(['/run.sh'])).stdout.trim()); // hello
   */
  async chmod(path: string, mode: number): Promise<void> {
    return this.#ask(path, 'changeMode', wholeNumber('mode', mode, 0, 0o7777));
  }

  /**
   * Ids of the container.
   *
   * @example
   * await box.files.write('/said', 'hello');
   * await box.files.chown('/said', 1000, 1000);
   * console.log((await box.files.stat('/said')).uid); // 1000
   */
  async chown(path: string, uid: number, gid: number): Promise<void> {
    wholeNumber('uid', uid, 0, MAX_ID);
    wholeNumber('gid', gid, 0, MAX_ID);
    return this.#ask(path, 'changeOwner', uid, gid);
  }

  /**
   * Makes a link that says `target`.
   *
   * @example
   * await box.files.symlink('/etc/passwd', '/link');
   * console.log((await box.files.stat('/link')).link); // /etc/passwd
   */
  symlink(target: string, path: string): Promise<void> {
    return this.#ask(path, 'makeLink', plainString('target', target));
  }

  /**
   * Tells what happens in a directory of a running container, from the first call of `next()` on, until the container ends or the
   * iteration does. Changes by way of other mounts of the same files are told of, too.
   *
   * @param options `recursive`: also in all directories below
   * @throws ERR_CONTAINER_NOT_RUNNING
   *
   * @example
   * await box.files.mkdir('/in');
   * setTimeout(() => void box.files.write('/in/job', '1'), 100);
   * for await (const { kind, path } of box.files.watch('/in')) {
   *   console.log(kind, path); // added /in/job
   *   break;
   * }
   */
  async *watch(
    path: string,
    options: { readonly recursive?: boolean; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<WatchedChange, void, undefined> {
    const { recursive = false, signal } = checkOptions(options);
    boolean('recursive', recursive);
    const place = containerPath(plainString('path', path));
    const server = await this.#runningServer();
    if (server === undefined) throw notRunning(this.#id);
    const { watchChanges } = await import('../../archive/watch-changes.js');
    yield* watchChanges(server, place, recursive, signal);
  }

  /**
   * Copies a file or a directory of the host into the container, as `docker cp`: into `destination` if that is a directory, and
   * otherwise under its name. `source/.` is what is in the directory. Owners that are none of the container's become root.
   *
   * @throws ERR_INVALID_OPTION
   *
   * @example
   * import { writeFile } from 'node:fs/promises';
   *
   * await writeFile('input.txt', 'hello');
   * await box.files.copyIn('input.txt', '/tmp');
   * console.log(await box.files.readText('/tmp/input.txt')); // hello
   */
  async copyIn(
    source: string,
    destination: string,
    options: CopyOptions = {},
  ): Promise<CopyResult> {
    checkCopy(source, destination, options);
    const { copyIn } = await import('../../archive/copy.js');
    return this.#with((view) => copyIn(view, source, destination, options));
  }

  /**
   * The other way round. Files on the host belong to the caller, but for root with `archive`.
   *
   * @throws ERR_INVALID_OPTION
   *
   * @example
   * import { readFile } from 'node:fs/promises';
   *
   * await box.files.write('/tmp/output.txt', 'hello');
   * await box.files.copyOut('/tmp/output.txt', '.');
   * console.log(await readFile('output.txt', 'utf8')); // hello
   */
  async copyOut(
    source: string,
    destination: string,
    options: CopyOptions = {},
  ): Promise<CopyResult> {
    checkCopy(source, destination, options);
    const { copyOut } = await import('../../archive/copy.js');
    return this.#with((view) => copyOut(view, source, destination, options));
  }

  /**
   * What is at a path as a tar stream (pax), which is destroyed with what has failed. Names begin with the path's last component.
   *
   * @example
   * import { createWriteStream } from 'node:fs';
   * import { pipeline } from 'node:stream/promises';
   *
   * await pipeline(await box.files.pack('/etc'), createWriteStream('etc.tar'));
   */
  async pack(path: string, options: CopyOptions = {}): Promise<Readable> {
    checkCopy(path, path, options);
    const { streamOfView } = await import('./container-view.js');
    return streamOfView(this.#context, this.#id, async (view, signal) => {
      const { packPath } = await import('../../archive/copy.js');
      return packPath(view, path, { ...options, signal });
    });
  }

  /**
   * Extracts a tar stream, which may be compressed with gzip, into a directory of the container.
   *
   * @throws ERR_INVALID_ARCHIVE
   *
   * @example
   * await box.files.mkdir('/copy');
   * await box.files.extract(await box.files.pack('/etc/passwd'), '/copy');
   * console.log((await box.files.list('/copy')).map(({ name }) => name)); // [ 'passwd' ]
   */
  async extract(
    archive: Readable,
    directory: string,
    options: CopyOptions = {},
  ): Promise<CopyResult> {
    checkCopy(directory, directory, options);
    const { extractPath } = await import('../../archive/copy.js');
    const { decompressed } = await import('../images/archive-input.js');
    return this.#with((view) => extractPath(view, decompressed(archive), directory, options));
  }

  async #with<T>(work: (view: View) => Promise<T>): Promise<T> {
    const { withView } = await import('./container-view.js');
    return withView(this.#context, this.#id, work);
  }

  async #ask(
    path: string,
    task: 'remove' | 'rename' | 'changeMode' | 'changeOwner' | 'makeLink',
    ...fields: readonly (number | string)[]
  ): Promise<void> {
    const { TASK } = await import('../../archive/file-protocol.js');
    await this.#serve(path, (_, server, place) => server.ask(TASK[task], place, place, ...fields));
  }

  /** By the process that serves the files of the running container, or by one for this work alone. */
  async #serve<T>(
    path: string,
    work: (operations: Operations, server: FileServer, place: string) => Promise<T>,
  ): Promise<T> {
    const place = containerPath(plainString('path', path));
    const operations = await import('../../archive/file-operations.js');
    const server = await this.#runningServer();
    if (server !== undefined) return work(operations, server, place);
    const { FileServer } = await import('../../archive/file-server.js');
    return this.#with(async (view) => {
      const once = new FileServer(view);
      try {
        return await work(operations, once, place);
      } finally {
        once.close();
        await once.ended;
      }
    });
  }

  /** Undefined if the container does not run. */
  async #runningServer(): Promise<FileServer | undefined> {
    const { runningView } = await import('./container-view.js');
    const view = await runningView(this.#context, this.#id);
    if (view === undefined) return undefined;
    const run = `${view.pid} ${view.startTime}`;
    if (this.#server?.run === run && this.#server.server.isOpen) return this.#server.server;
    const { FileServer } = await import('../../archive/file-server.js');
    this.#server?.server.close();
    this.#server = { run, server: new FileServer(view) };
    return this.#server.server;
  }
}

function checkCopy(source: string, destination: string, options: CopyOptions): void {
  plainString('source', source);
  plainString('destination', destination);
  const { archive = false, followLink = false } = checkOptions(options);
  boolean('archive', archive);
  boolean('followLink', followLink);
}
