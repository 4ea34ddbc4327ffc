/** The messages of a process that serves the files of a container: cpp/archive/frame.h and file_server.cpp. */
import { type FileStat, statFrom } from './file-stat.js';

/** Numbers of cpp/archive/file_server.cpp. */
export const TASK = {
  stat: 1,
  list: 2,
  open: 3,
  read: 4,
  write: 5,
  close: 6,
  makeDirectory: 7,
  remove: 8,
  rename: 9,
  changeMode: 10,
  changeOwner: 11,
  makeLink: 12,
  watch: 13,
  unwatch: 14,
} as const;

/** Of cpp/archive/file_tasks.h. */
export const OPEN = { write: 1, create: 2, truncate: 4, exclusive: 8, append: 16 } as const;

/** Bytes of one read or write. */
export const CHUNK = 1 << 20;

/** An answer that is longer was not sent by our process. */
export const LONGEST_ANSWER = CHUNK + 16_384;

/** An unsigned number of 32 bits, a text or bytes. */
export type Field = number | string | Uint8Array;

export function encodeFrame(id: number, task: number, fields: readonly Field[]): Buffer {
  const parts: Uint8Array[] = [];
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    parts.push(bytes);
  };
  number(id);
  parts.push(Buffer.of(task));
  for (const field of fields) {
    if (typeof field === 'number') {
      number(field);
      continue;
    }
    const bytes = typeof field === 'string' ? Buffer.from(field) : field;
    number(bytes.length);
    parts.push(bytes);
  }
  const length = Buffer.alloc(4);
  length.writeUInt32LE(parts.reduce((sum, part) => sum + part.length, 0));
  return Buffer.concat([length, ...parts]);
}

/** Reads what an answer has; throws a RangeError where it has less. */
export class AnswerReader {
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  get hasMore(): boolean {
    return this.at < this.bytes.length;
  }

  byte(): number {
    return this.bytes.readUInt8(this.advance(1));
  }

  number(): number {
    return this.bytes.readUInt32LE(this.advance(4));
  }

  signed(): number {
    return this.bytes.readInt32LE(this.advance(4));
  }

  wide(): bigint {
    return this.bytes.readBigInt64LE(this.advance(8));
  }

  data(): Buffer {
    const size = this.number();
    const from = this.advance(size);
    if (this.at > this.bytes.length) throw new RangeError('an answer that is too short');
    return this.bytes.subarray(from, from + size);
  }

  text(): string {
    return this.data().toString('utf8');
  }

  /** Undefined for what had gone when it was looked at. */
  stat(): FileStat | undefined {
    const [mode, uid, gid] = [this.number(), this.number(), this.number()];
    const [size, seconds, nanoseconds] = [this.wide(), this.wide(), this.number()];
    const link = this.text();
    if (mode === 0) return undefined;
    const modifiedNs = seconds * 1_000_000_000n + BigInt(nanoseconds);
    return statFrom({ mode, uid, gid, size: Number(size), modifiedNs, link });
  }

  private advance(size: number): number {
    const from = this.at;
    this.at += size;
    return from;
  }
}
