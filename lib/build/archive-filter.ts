/**
 * A tar stream with other owners or modes, or without some of its entries: what `--chown`, `--chmod` and `--exclude` ask for of
 * files that are copied from another stage, or unpacked from an archive. Its bytes are untrusted: every length is bounded, and what is passed
 * on is read by a process that has confined itself.
 */
import { CaissonError } from '../base/errors.js';
import { writeChecksum } from './context-archive.js';

export interface ArchiveChange {
  /** Ids of the container. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** Permission bits, for all but links. */
  readonly mode?: number | undefined;
  /** Of a path without `./` and slashes at its end; empty is the directory itself. Default: all of them. */
  readonly keep?: ((path: string) => boolean) | undefined;
}

const BLOCK = 512;
/** Bytes of what comes before an entry: pax records, GNU long names. */
const LARGEST_HEADER = 1 << 20;
const LARGEST_ID = 0o7777777;

/** @throws ERR_INVALID_ARCHIVE; what the source throws */
export async function* changeArchive(
  source: AsyncIterable<Uint8Array>,
  { owner, mode, keep = () => true }: ArchiveChange,
): AsyncGenerator<Buffer> {
  const bytes = new Blocks(source);
  let before: Buffer[] = [];
  let found: { path?: string; size?: number } = {};
  for (;;) {
    const header = await bytes.take(BLOCK);
    if (header.every((byte) => byte === 0)) break;
    const type = String.fromCharCode(header[156] ?? 0);
    if ('xgLK'.includes(type)) {
      const size = sizeOf(header);
      if (size > LARGEST_HEADER) throw badStream(`has a header of ${size} bytes`);
      const body = await bytes.take(size);
      await bytes.take(padding(size));
      if (type === 'x' || type === 'g') {
        const { records, path, size: own } = readRecords(body, owner !== undefined);
        if (type === 'x') found = { ...found, ...(path === undefined ? {} : { path }), ...(own === undefined ? {} : { size: own }) }; // prettier-ignore
        before.push(...withHeader(header, records));
      } else {
        if (type === 'L') found = { ...found, path: untilZero(body) };
        before.push(header, body, Buffer.alloc(padding(size)));
      }
      continue;
    }
    // Its map may go on in blocks that no size counts.
    if (type === 'S') throw badStream('has a sparse file in the old format of GNU tar');
    const hasContent = !'123456'.includes(type);
    const size = hasContent ? (found.size ?? sizeOf(header)) : 0;
    const kept = keep(cleanName(found.path ?? nameOf(header)));
    if (kept) {
      if (owner !== undefined) {
        writeId(header, 108, owner.uid);
        writeId(header, 116, owner.gid);
      }
      if (mode !== undefined && type !== '2') writeOctal(header, 100, mode);
      writeChecksum(header);
      yield* before;
      yield header;
    }
    for await (const part of bytes.pass(size + padding(size))) if (kept) yield part;
    before = [];
    found = {};
  }
  yield Buffer.alloc(2 * BLOCK);
  await bytes.drain();
}

function withHeader(header: Buffer, records: Buffer): Buffer[] {
  if (records.length === 0) return [];
  writeOctal(header, 124, records.length, 11);
  writeChecksum(header);
  return [header, records, Buffer.alloc(padding(records.length))];
}

/** Records `LENGTH KEY=VALUE\n` (pax(1)), without the owner where it becomes another one. */
function readRecords(body: Buffer, withoutOwner: boolean) {
  const records: Buffer[] = [];
  let path: string | undefined;
  let size: number | undefined;
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const digits = space < 0 ? '' : body.toString('latin1', at, space);
    const end = at + Number(digits);
    if (!/^[1-9]\d{0,7}$/.test(digits) || end > body.length || body[end - 1] !== 0x0a)
      throw badStream('has a malformed pax header');
    const record = body.toString('utf8', space + 1, end - 1);
    const key = record.slice(0, Math.max(0, record.indexOf('=')));
    const value = record.slice(key.length + 1);
    if (key === 'path') path = value;
    if (key === 'size') size = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
    if (Number.isNaN(size)) throw badStream('has a size out of range');
    const isOwner = ['uid', 'gid', 'uname', 'gname'].includes(key);
    if (!(withoutOwner && isOwner)) records.push(body.subarray(at, end));
    at = end;
  }
  return { records: Buffer.concat(records), path, size };
}

function nameOf(header: Buffer): string {
  const name = untilZero(header.subarray(0, 100));
  const isUstar = header.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? untilZero(header.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function cleanName(name: string): string {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function sizeOf(header: Buffer): number {
  if (((header[124] ?? 0) & 0x80) !== 0) {
    const size = header.readBigUInt64BE(128);
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw badStream('has a size out of range');
    return Number(size);
  }
  const text = untilZero(header.subarray(124, 136)).trim();
  if (!/^[0-7]{0,12}$/.test(text)) throw badStream('is not a tar archive');
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function writeOctal(header: Buffer, at: number, value: number, digits = 7): void {
  header.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
}

/** GNU's base-256 for what seven octal digits do not hold. */
function writeId(header: Buffer, at: number, id: number): void {
  if (id <= LARGEST_ID) return writeOctal(header, at, id);
  header.fill(0, at, at + 8);
  header[at] = 0x80;
  header.writeUInt32BE(id, at + 4);
}

function untilZero(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function badStream(why: string): CaissonError {
  return new CaissonError('ERR_INVALID_ARCHIVE', `the archive ${why}`, { stage: 'build' });
}

/** Chunks as they come, of which any number of bytes can be taken. */
class Blocks {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** A copy. */
  async take(size: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.pass(size)) parts.push(part);
    return Buffer.concat(parts);
  }

  async *pass(size: number): AsyncGenerator<Buffer> {
    for (let left = size; left > 0; ) {
      if (this.#rest.length === 0 && !(await this.#more())) throw badStream('ends too early');
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  /** An archive may have something behind its end. */
  async drain(): Promise<void> {
    while (await this.#more());
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done === true) return false;
    const { buffer, byteOffset, byteLength } = next.value;
    this.#rest = Buffer.from(buffer, byteOffset, byteLength);
    return true;
  }
}
