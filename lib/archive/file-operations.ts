/** What `container.files` does by requests to a process that serves the files. */
import { CaissonError } from '../base/errors.js';
import { CHUNK, OPEN, TASK } from './file-protocol.js';
import type { FileServer } from './file-server.js';
import type { FileStat } from './file-stat.js';

/** A name in a directory, and what it is. */
export interface FileEntry extends FileStat {
  /** Without the directory. Bytes that are not UTF-8 are replaced. */
  readonly name: string;
}

/** How `ContainerFiles.write` writes. */
export interface WriteOptions {
  /** Of a new file. Default: 0o644. */
  readonly mode?: number | undefined;
  /** At the end of what is there, instead of in its place. */
  readonly append?: boolean | undefined;
  /** Fails where something is there. */
  readonly exclusive?: boolean | undefined;
}

const NEW_FILE = 0o644;
const NEW_DIRECTORY = 0o755;

/** @param limit bytes */
export function readFile(server: FileServer, path: string, limit: number): Promise<Buffer> {
  return server.withHandle(() => readOpened(server, path, limit));
}

async function readOpened(server: FileServer, path: string, limit: number): Promise<Buffer> {
  const handle = (await server.ask(TASK.open, path, path, 0, 0)).number();
  try {
    const chunks: Buffer[] = [];
    for (let size = 0; ;) {
      const bytes = (await server.ask(TASK.read, path, handle, CHUNK)).data();
      if (bytes.length === 0) return Buffer.concat(chunks);
      chunks.push(bytes);
      size += bytes.length;
      if (size > limit)
        throw new CaissonError(
          'ERR_FILES_FAILED',
          `${path}: has more than the ${limit} bytes that may be read`,
          { stage: 'files', path, errno: 'EFBIG', hint: 'copyOut() copies files of any size' },
        );
    }
  } finally {
    await server.ask(TASK.close, path, handle).catch(() => undefined);
  }
}

/** Directories on the way that are missing are made. */
export function writeFile(
  server: FileServer,
  path: string,
  bytes: Uint8Array,
  options: WriteOptions,
): Promise<void> {
  return server.withHandle(() => writeOpened(server, path, bytes, options));
}

async function writeOpened(
  server: FileServer,
  path: string,
  bytes: Uint8Array,
  { mode = NEW_FILE, append = false, exclusive = false }: WriteOptions,
): Promise<void> {
  const flags =
    OPEN.write |
    OPEN.create |
    (append ? OPEN.append : OPEN.truncate) |
    (exclusive ? OPEN.exclusive : 0);
  const open = async () => (await server.ask(TASK.open, path, path, flags, mode)).number();
  let handle: number;
  try {
    handle = await open();
  } catch (error) {
    const parent = path.slice(0, path.lastIndexOf('/'));
    if ((error as CaissonError).code !== 'ERR_NO_SUCH_FILE' || parent === '') throw error;
    await makeDirectory(server, parent, NEW_DIRECTORY, true);
    handle = await open();
  }
  try {
    for (let at = 0; at < bytes.length; at += CHUNK)
      await server.ask(TASK.write, path, handle, bytes.subarray(at, at + CHUNK));
  } finally {
    await server.ask(TASK.close, path, handle);
  }
}

export async function listDirectory(server: FileServer, path: string): Promise<FileEntry[]> {
  const entries: FileEntry[] = [];
  for (let told = 0, total = 1; told < total;) {
    const answer = await server.ask(TASK.list, path, path, told);
    total = answer.number();
    const before = told;
    for (; told < total && answer.hasMore; told++) {
      const name = answer.text();
      const stat = answer.stat();
      if (stat !== undefined) entries.push({ name, ...stat });
    }
    if (told === before) break;
  }
  return entries;
}

export async function statPath(
  server: FileServer,
  path: string,
  follow: boolean,
): Promise<FileStat> {
  const found = (await server.ask(TASK.stat, path, path, follow ? 1 : 0)).stat();
  if (found !== undefined) return found;
  throw new CaissonError('ERR_NO_SUCH_FILE', `${path}: no such file or directory`, {
    stage: 'files',
    path,
  });
}

export async function makeDirectory(
  server: FileServer,
  path: string,
  mode: number,
  recursive: boolean,
): Promise<void> {
  await server.ask(TASK.makeDirectory, path, path, mode, recursive ? 1 : 0);
}
