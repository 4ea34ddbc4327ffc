/** What `load` and `import` read: a file or a stream, decompressed. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { invalid } from '../../base/check.js';
import { CaissonError } from '../../base/errors.js';
import { badArchive } from './tar-reader.js';

export type ArchiveInput = string | AsyncIterable<Uint8Array>;

/** By the bytes that such a stream begins with. */
const COMPRESSIONS: readonly (readonly [name: string, magic: Buffer])[] = [
  ['gzip', Buffer.from([0x1f, 0x8b])],
  ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
  ['bzip2', Buffer.from('BZh')],
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a])],
];

/** Undefined: it is not compressed. */
export function compressionOf(start: Buffer): string | undefined {
  return COMPRESSIONS.find(([, magic]) => start.subarray(0, magic.length).equals(magic))?.[0];
}

const LONGEST_MAGIC = 5;

/** @throws ERR_INVALID_OPTION, ERR_NO_SUCH_SOURCE; ERR_INVALID_IMAGE for another compression than gzip */
export async function* archiveBytes(input: ArchiveInput): AsyncGenerator<Uint8Array> {
  const source = await openInput(input);
  const chunks = source[Symbol.asyncIterator]();
  try {
    const first: Buffer[] = [];
    for (let size = 0; size < LONGEST_MAGIC;) {
      const next = await chunks.next();
      if (next.done === true) break;
      first.push(Buffer.from(next.value));
      size += next.value.length;
    }
    const start = Buffer.concat(first);
    const compression = compressionOf(start);
    if (compression !== undefined && compression !== 'gzip')
      throw badArchive(`is compressed with ${compression}`, `decompress it first, or use gzip`);
    const all = rejoin(start, chunks);
    yield* compression === undefined ? all : gunzip(all);
  } finally {
    await chunks.return?.();
  }
}

/** For the files of a container: errors are ERR_INVALID_ARCHIVE. */
export function decompressed(input: AsyncIterable<Uint8Array>): Readable {
  async function* bytes() {
    try {
      yield* archiveBytes(input);
    } catch (error) {
      if (!(error instanceof CaissonError) || error.code !== 'ERR_INVALID_IMAGE') throw error;
      const { message, hint } = error;
      throw new CaissonError('ERR_INVALID_ARCHIVE', message, {
        stage: 'files',
        hint,
        cause: error,
      });
    }
  }
  return Readable.from(bytes(), { objectMode: false });
}

async function openInput(input: ArchiveInput): Promise<AsyncIterable<Uint8Array>> {
  if (typeof input !== 'string') {
    if (
      typeof (input as Partial<AsyncIterable<unknown>> | null)?.[Symbol.asyncIterator] !==
      'function'
    )
      throw invalid('input', input, 'is neither a path nor a stream');
    return input;
  }
  try {
    const file = await open(input, 'r');
    return createReadStream('', { fd: file, highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CaissonError('ERR_NO_SUCH_SOURCE', `cannot read ${input}: ${code ?? String(cause)}`, {
      stage: 'image',
      path: input,
      errno: code,
      cause,
    });
  }
}

async function* rejoin(start: Buffer, chunks: AsyncIterator<Uint8Array>) {
  if (start.length > 0) yield start;
  for (;;) {
    const next = await chunks.next();
    if (next.done === true) return;
    yield next.value;
  }
}

async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = Readable.from(source, { objectMode: false });
  const output = createGunzip({ chunkSize: 1 << 18 });
  input.on('error', (error) => output.destroy(error));
  try {
    yield* input.pipe(output) as AsyncIterable<Buffer>;
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    if (!code.startsWith('Z_')) throw cause;
    throw badArchive(`cannot be decompressed: ${code}`);
  } finally {
    input.destroy();
    output.destroy();
  }
}
