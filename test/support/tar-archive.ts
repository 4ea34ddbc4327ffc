/** Tar archives, block by block, as no honest program writes them. */
import { gzipSync } from 'node:zlib';

export interface TarEntry {
  readonly name: string | Buffer;
  /** Default: `0`, a file. */
  readonly type?: string;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  /** Default: that of the data. */
  readonly size?: number;
  readonly data?: string | Buffer;
  readonly major?: number;
  readonly minor?: number;
  /** Records of an extended header in front of it. */
  readonly pax?: Readonly<Record<string, string | Buffer>>;
}

const BLOCK = 512;

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)]);
}

export function paxRecord(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) ++length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

export function tarHeader(entry: TarEntry): Buffer {
  const block = Buffer.alloc(BLOCK);
  const text = (at: number, size: number, value: string | Buffer) =>
    Buffer.from(value).subarray(0, size).copy(block, at);
  const number = (at: number, size: number, value: number) => {
    if (value >= 0 && value < 8 ** (size - 1))
      text(at, size, value.toString(8).padStart(size - 1, '0'));
    else {
      block.writeBigInt64BE(BigInt(value), at + size - 8);
      block.fill(value < 0 ? 0xff : 0, at, at + size - 8);
      block[at]! |= 0x80;
    }
  };
  const { data = '', type = '0' } = entry;
  text(0, 100, entry.name);
  number(100, 8, entry.mode ?? (type === '5' ? 0o755 : 0o644));
  number(108, 8, entry.uid ?? 0);
  number(116, 8, entry.gid ?? 0);
  number(124, 12, entry.size ?? Buffer.from(data).length);
  number(136, 12, entry.mtime ?? 1_000_000_000);
  text(156, 1, type);
  text(157, 100, entry.link ?? '');
  text(257, 8, 'ustar\x0000');
  number(329, 8, entry.major ?? 0);
  number(337, 8, entry.minor ?? 0);
  return withChecksum(block);
}

export function withChecksum(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

export function tarEntry(entry: TarEntry): Buffer {
  const records = Object.entries(entry.pax ?? {}).map(([key, value]) => paxRecord(key, value));
  const extended = Buffer.concat(records);
  return Buffer.concat([
    ...(extended.length === 0
      ? []
      : [tarHeader({ name: 'x', type: 'x', data: extended }), padded(extended)]),
    tarHeader(entry),
    padded(Buffer.from(entry.data ?? '')),
  ]);
}

export const TAR_END = Buffer.alloc(2 * BLOCK);

export function tarArchive(...entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), TAR_END]);
}

/** So many zeros as a layer of one file, compressed: a thousandth of its size. */
export function gzipBomb(size: number): Buffer {
  const zeros = Buffer.alloc(1 << 20);
  const parts = [gzipSync(tarHeader({ name: 'zeros', size }))];
  const part = gzipSync(zeros, { level: 9 });
  for (let left = size; left > 0; left -= zeros.length) parts.push(part);
  return Buffer.concat([...parts, gzipSync(TAR_END)]);
}
