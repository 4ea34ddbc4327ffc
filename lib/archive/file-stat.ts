/** What a file of a container is. */
import { constants } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { CaissonError } from '../base/errors.js';
import { startView } from './view-process.js';
import type { View } from './view.js';

/** What a file is; `link` is a symbolic one. */
export type FileKind =
  'file' | 'directory' | 'link' | 'character device' | 'block device' | 'fifo' | 'socket';

/** What the kernel says of a file. */
export interface FileStat {
  /** Of a link `link`, unless it was followed. */
  readonly kind: FileKind;
  /** `kind` is `directory`. */
  readonly isDirectory: boolean;
  /** Permissions, with set-user-id, set-group-id and sticky: `0o755`. */
  readonly mode: number;
  /** Of its owner, as the container has it; so is `gid`. */
  readonly uid: number;
  /** Of its group. */
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Nanoseconds since 1970, UTC. */
  readonly modifiedNs: bigint;
  /** What a link says; undefined for what is no link. */
  readonly link?: string | undefined;
  /** The path in the container where a link leads; undefined if there is nothing. */
  readonly target?: string | undefined;
}

const KINDS: ReadonlyMap<number, FileKind> = new Map([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'link'],
  [constants.S_IFCHR, 'character device'],
  [constants.S_IFBLK, 'block device'],
  [constants.S_IFIFO, 'fifo'],
  [constants.S_IFSOCK, 'socket'],
]);

/** Of a link itself, unless the path ends with a slash. @throws ERR_NO_SUCH_FILE, ERR_FILES_FAILED */
export async function statFile(view: View, path: string, signal?: AbortSignal): Promise<FileStat> {
  const { output, done } = startView(view, { kind: 'stat', path, follow: false }, signal);
  const [bytes] = await Promise.all([buffer(output), done]);
  const words = bytes.toString('utf8').split('\0');
  const [mode, uid, gid, size, seconds, nanoseconds] = words.slice(0, 6).map(Number);
  const [link = '', target = ''] = words.slice(6);
  if (words.length !== 9 || mode === undefined || !Number.isSafeInteger(mode))
    throw new CaissonError('ERR_FILES_FAILED', `${path}: what it is was not understood`, {
      stage: 'files',
      path,
    });
  return statFrom({
    mode,
    uid: uid ?? 0,
    gid: gid ?? 0,
    size: size ?? 0,
    modifiedNs: BigInt(seconds ?? 0) * 1_000_000_000n + BigInt(nanoseconds ?? 0),
    link,
    target,
  });
}

/** @param mode with the bits of the kind */
export function statFrom({
  mode,
  uid,
  gid,
  size,
  modifiedNs,
  link,
  target = '',
}: Omit<FileStat, 'kind' | 'isDirectory'>): FileStat {
  const kind = KINDS.get(mode & constants.S_IFMT) ?? 'file';
  return {
    kind,
    isDirectory: kind === 'directory',
    mode: mode & 0o7777,
    uid,
    gid,
    size,
    modifiedNs,
    link: kind === 'link' ? link : undefined,
    target: kind === 'link' && target !== '' ? target : undefined,
  };
}
