/**
 * Entries of a tar archive (POSIX ustar and pax, GNU long names), one after the other. It is the outer archive of `load`, whose
 * entries are blobs: nothing is extracted to a path, and what a name says is for the caller. Its bytes are untrusted: every length is bounded.
 */
import { invalidImage } from '../../image/content/content-errors.js';

export interface TarEntry {
  /** Without `./` at the beginning and slashes at the end; no component of it is `..`. */
  readonly name: string;
  readonly type: 'file' | 'symlink' | 'hardlink' | 'other';
  /** Of a link: where it leads, as it was written. */
  readonly target: string;
  /** Bytes of a file. */
  readonly size: number;
  /** The content of a file; what is not read of it is skipped. */
  readonly body: AsyncIterable<Buffer>;
}

const BLOCK = 512;
/** Of all entries: an image of 500 layers has about 1500. */
const MOST_ENTRIES = 50_000;
/** Bytes of a pax header, or of a GNU long name. */
const LARGEST_HEADER = 1 << 20;
const LONGEST_NAME = 4096;

/** @throws ERR_INVALID_IMAGE; what the source throws */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const bytes = new ByteSource(source);
  try {
    yield* entriesOf(bytes);
    // What feeds a pipe is not interrupted.
    await bytes.drain();
  } finally {
    // A file is closed, also if what was read of it is no archive.
    await bytes.close();
  }
}

async function* entriesOf(bytes: ByteSource): AsyncGenerator<TarEntry> {
  let pending: Overrides = {};
  for (let count = 0; ; count++) {
    if (count > MOST_ENTRIES) throw badArchive(`has more than ${MOST_ENTRIES} entries`);
    const block = await bytes.exactly(BLOCK);
    if (block === undefined) throw badArchive('ends too early');
    if (isZero(block)) return;
    const header = parseHeader(block);
    const { type } = header;
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
      const text = await headerText(bytes, header.size);
      if (type === 'x') pending = { ...pending, ...parsePax(text) };
      else if (type === 'L') pending = { ...pending, path: untilZero(text) };
      else if (type === 'K') pending = { ...pending, linkPath: untilZero(text) };
      continue;
    }
    const size = pending.size ?? header.size;
    const isFile = type === '0' || type === '\0' || type === '7';
    const body = new Body(bytes, size);
    yield {
      name: checkName(pending.path ?? header.name),
      type: isFile ? 'file' : type === '1' ? 'hardlink' : type === '2' ? 'symlink' : 'other',
      target: checkTarget(pending.linkPath ?? header.linkName),
      size: isFile ? size : 0,
      body,
    };
    await body.skip();
    await bytes.skip(padding(size));
    pending = {};
  }
}

interface Overrides {
  readonly path?: string;
  readonly linkPath?: string;
  readonly size?: number;
}

interface Header {
  readonly name: string;
  readonly linkName: string;
  readonly size: number;
  readonly type: string;
}

function parseHeader(block: Buffer): Header {
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
  if (sum !== octal(block, 148, 8)) throw badArchive('is not a tar archive: a checksum is wrong');
  const type = String.fromCharCode(block[156] ?? 0);
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? field(block, 345, 155) : '';
  const name = field(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: field(block, 157, 100),
    // A link, a directory or a device has no content, whatever its size says.
    size: '123456'.includes(type) ? 0 : sizeOf(block),
    type,
  };
}

function sizeOf(block: Buffer): number {
  const first = block[124] ?? 0;
  if ((first & 0x80) === 0) return octal(block, 124, 12);
  // GNU's base-256; the highest four bytes would be more than a number can hold.
  if (first !== 0x80 || !isZero(block.subarray(125, 128)))
    throw badArchive('has a size out of range');
  const size = block.readBigUInt64BE(128);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw badArchive('has a size out of range');
  return Number(size);
}

function octal(block: Buffer, at: number, length: number): number {
  const text = field(block, at, length).trim();
  if (!/^[0-7]{1,12}$/.test(text)) throw badArchive('is not a tar archive: a number is malformed');
  return Number.parseInt(text, 8);
}

function field(block: Buffer, at: number, length: number): string {
  return untilZero(block.subarray(at, at + length));
}

function untilZero(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

/** Records `LENGTH KEY=VALUE\n`, of which the length counts bytes of itself, too (pax(1)). */
function parsePax(bytes: Buffer): Overrides {
  const found: { path?: string; linkPath?: string; size?: number } = {};
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? '' : bytes.toString('latin1', at, space);
    const end = at + Number(digits);
    if (!/^[1-9]\d{0,7}$/.test(digits) || end > bytes.length || bytes[end - 1] !== 0x0a)
      throw badArchive('has a malformed pax header');
    const record = bytes.toString('utf8', space + 1, end - 1);
    const equals = record.indexOf('=');
    const value = record.slice(equals + 1);
    const key = record.slice(0, Math.max(0, equals));
    if (key === 'path') found.path = value;
    else if (key === 'linkpath') found.linkPath = value;
    else if (key.startsWith('GNU.sparse.')) throw badArchive('has a sparse file');
    else if (key === 'size') {
      if (!/^\d{1,15}$/.test(value)) throw badArchive('has a size out of range');
      found.size = Number(value);
    }
    at = end;
  }
  return found;
}

async function headerText(bytes: ByteSource, size: number): Promise<Buffer> {
  if (size > LARGEST_HEADER) throw badArchive(`has a header of more than ${LARGEST_HEADER} bytes`);
  const text = await bytes.exactly(size);
  if (text === undefined) throw badArchive('ends too early');
  await bytes.skip(padding(size));
  return text;
}

function checkName(text: string): string {
  const name = text.replace(/^(?:\.\/+)+/, '').replace(/\/+$/, '');
  if (name.length > LONGEST_NAME) throw badArchive('has a name that is too long');
  if (name.startsWith('/') || name.includes('\0') || name.split('/').includes('..'))
    throw badArchive(`has an entry named ${JSON.stringify(name.slice(0, 200))}`);
  return name;
}

function checkTarget(target: string): string {
  if (target.length > LONGEST_NAME) throw badArchive('has a link whose target is too long');
  return target;
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

export function badArchive(why: string, hint?: string): Error {
  return invalidImage('the archive', why, hint);
}

/** Chunks as they come, of which any number of bytes can be taken. */
class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** At most that many, and at least one; undefined: there is no more. */
  async some(most: number): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      const { buffer, byteOffset, byteLength } = next.value;
      this.#rest = Buffer.from(buffer, byteOffset, byteLength);
    }
    const part = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }

  async exactly(size: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    for (let left = size; left > 0;) {
      const part = await this.some(left);
      if (part === undefined) return undefined;
      parts.push(part);
      left -= part.length;
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  async skip(size: number): Promise<void> {
    for (let left = size; left > 0;) {
      const part = await this.some(left);
      if (part === undefined) throw badArchive('ends too early');
      left -= part.length;
    }
  }

  async drain(): Promise<void> {
    while ((await this.some(Infinity)) !== undefined);
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

class Body implements AsyncIterable<Buffer> {
  constructor(
    private readonly bytes: ByteSource,
    private left: number,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    while (this.left > 0) {
      const part = await this.bytes.some(this.left);
      if (part === undefined) throw badArchive('ends too early');
      this.left -= part.length;
      yield part;
    }
  }

  async skip(): Promise<void> {
    const left = this.left;
    this.left = 0;
    await this.bytes.skip(left);
  }
}
