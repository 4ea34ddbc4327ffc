/** Files of a build as a tar stream (POSIX pax), with the owners and modes that they are to have. */
import { createReadStream } from 'node:fs';
import { CaissonError } from '../base/errors.js';

/** A file, directory or link. */
export interface ArchiveEntry {
  /** Below the directory into which the archive is extracted, with `/`. */
  readonly name: string;
  readonly type: 'file' | 'directory' | 'link';
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Milliseconds since 1970. */
  readonly mtime: number;
  /** Of a link. */
  readonly target: string;
  /** Of a file: its bytes, or where on the host they are, and how many. */
  readonly content: Buffer | { readonly path: string; readonly size: number } | undefined;
}

const BLOCK = 512;
const LARGEST_OCTAL = 0o77777777777;
const LARGEST_ID = 0o7777777;
const LONGEST_NAME = 100;
const TYPES = { file: '0', link: '2', directory: '5' } as const;

/** @throws ERR_STORAGE for a file that has become shorter meanwhile, and what reading it fails with */
export async function* contextArchive(entries: Iterable<ArchiveEntry>): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    const { content } = entry;
    const size = content === undefined ? 0 : isBytes(content) ? content.length : content.size;
    yield headerOf(entry, size);
    if (content === undefined) continue;
    if (isBytes(content)) yield content;
    else yield* bytesOf(content);
    yield Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
  }
  yield Buffer.alloc(2 * BLOCK);
}

function isBytes(content: NonNullable<ArchiveEntry['content']>): content is Buffer {
  return content instanceof Uint8Array;
}

async function* bytesOf({
  path,
  size,
}: {
  readonly path: string;
  readonly size: number;
}): AsyncGenerator<Buffer> {
  if (size === 0) return;
  let left = size;
  // One that grows is cut where it ended when it was found.
  for await (const part of createReadStream(path, { end: size - 1, highWaterMark: 1 << 18 })) {
    left -= (part as Buffer).length;
    yield part as Buffer;
  }
  if (left > 0)
    throw new CaissonError('ERR_STORAGE', `${path} became shorter while it was read`, {
      stage: 'build',
      path,
    });
}

function headerOf(entry: ArchiveEntry, size: number): Buffer {
  const { name, target, uid, gid, mtime, type } = entry;
  const path = type === 'directory' ? `${name}/` : name;
  const records = [
    ...record('path', path, isShort(path)),
    ...record('linkpath', target, isShort(target)),
    ...record('size', String(size), size <= LARGEST_OCTAL),
    ...record('uid', String(uid), uid <= LARGEST_ID),
    ...record('gid', String(gid), gid <= LARGEST_ID),
    ...record('mtime', (mtime / 1000).toFixed(6), mtime >= 0 && mtime % 1000 === 0),
  ];
  const own = header(entry, path, size, TYPES[type]);
  if (records.length === 0) return own;
  const more = Buffer.concat(records);
  const before = { ...entry, mode: 0o644, target: '' };
  return Buffer.concat([
    header(before, 'pax', more.length, 'x'),
    more,
    Buffer.alloc((BLOCK - (more.length % BLOCK)) % BLOCK),
    own,
  ]);
}

function isShort(text: string): boolean {
  return text.length <= LONGEST_NAME && /^[\x20-\x7e]*$/.test(text);
}

/** The length counts its own digits. */
function record(key: string, value: string, isInHeader: boolean): Buffer[] {
  if (isInHeader) return [];
  const text = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(text);
  let length = bytes + String(bytes).length;
  length = bytes + String(length).length;
  return [Buffer.from(`${length}${text}`)];
}

function header(
  { mode, uid, gid, mtime, target }: ArchiveEntry,
  name: string,
  size: number,
  type: string,
): Buffer {
  const block = Buffer.alloc(BLOCK);
  // What does not fit is in the records before it.
  if (isShort(name)) block.write(name, 0);
  if (isShort(target)) block.write(target, 157);
  const number = (value: number, at: number, digits: number): void => {
    block.write(value.toString(8).padStart(digits, '0'), at);
  };
  number(mode & 0o7777, 100, 7);
  number(uid <= LARGEST_ID ? uid : 0, 108, 7);
  number(gid <= LARGEST_ID ? gid : 0, 116, 7);
  number(Math.min(size, LARGEST_OCTAL), 124, 11);
  number(Math.min(Math.max(0, Math.floor(mtime / 1000)), LARGEST_OCTAL), 136, 11);
  block.fill(' ', 148, 156);
  block.write(type, 156);
  block.write('ustar\x0000', 257, 'latin1');
  writeChecksum(block);
  return block;
}

/** Over the header with spaces in the place of the sum. */
export function writeChecksum(block: Buffer): void {
  block.fill(' ', 148, 156);
  const sum = block.reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
