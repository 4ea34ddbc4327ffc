/** What elf(5) says in a file's headers: for whom it is. Of files with 64 bits, little-endian: all that caisson runs on. */
import { closeSync, openSync, readSync } from 'node:fs';

export interface ElfFile {
  /** As `process.arch` has it; of others the number of their machine. */
  readonly architecture: string;
  /** The program interpreter that a dynamically linked program names. */
  readonly interpreter?: string | undefined;
  /** The libraries that the file needs. */
  readonly needed: readonly string[];
}

const ARCHITECTURES: Readonly<Record<number, string>> = { 62: 'x64', 183: 'arm64' };
const PT = { LOAD: 1, DYNAMIC: 2, INTERP: 3 };
const DT = { NEEDED: 1, STRTAB: 5 };
/** No header of a file that a linker has made is larger. */
const MAX_PART = 1 << 16;

/** Undefined: it is no such file. @throws the system's error when it cannot be read */
export function readElf(path: string): ElfFile | undefined {
  const file = openSync(path, 'r');
  try {
    const part = (offset: number, size: number): Buffer => {
      const bytes = Buffer.alloc(Math.min(size, MAX_PART));
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, offset));
    };
    return parse(part);
  } finally {
    closeSync(file);
  }
}

function parse(part: (offset: number, size: number) => Buffer): ElfFile | undefined {
  const header = part(0, 64);
  if (header.length < 64 || header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return undefined;
  const machine = header.readUInt16LE(18);
  const table = part(word(header, 32), 56 * header.readUInt16LE(56));
  const segments: Segment[] = [];
  for (let at = 0; at + 56 <= table.length; at += 56) {
    segments.push({
      type: table.readUInt32LE(at),
      offset: word(table, at + 8),
      address: word(table, at + 16),
      size: word(table, at + 32),
    });
  }
  const of = (type: number) => segments.find((one) => one.type === type);
  const interpreter = of(PT.INTERP);
  const dynamic = of(PT.DYNAMIC);
  return {
    architecture: ARCHITECTURES[machine] ?? `machine ${machine}`,
    interpreter: interpreter && text(part(interpreter.offset, interpreter.size), 0),
    needed:
      dynamic === undefined ? [] : neededOf(part(dynamic.offset, dynamic.size), segments, part),
  };
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

function neededOf(
  dynamic: Buffer,
  segments: readonly Segment[],
  part: (offset: number, size: number) => Buffer,
): string[] {
  const entries: (readonly [tag: number, value: number])[] = [];
  for (let at = 0; at + 16 <= dynamic.length; at += 16)
    entries.push([word(dynamic, at), word(dynamic, at + 8)]);
  const table = entries.find(([tag]) => tag === DT.STRTAB)?.[1] ?? 0;
  const loaded = segments.find(
    ({ type, address, size }) => type === PT.LOAD && table >= address && table < address + size,
  );
  if (loaded === undefined) return [];
  const strings = loaded.offset + (table - loaded.address);
  return entries
    .filter(([tag]) => tag === DT.NEEDED)
    .map(([, name]) => text(part(strings + name, 256), 0));
}

function word(bytes: Buffer, at: number): number {
  return Number(BigInt.asUintN(53, bytes.readBigUInt64LE(at)));
}

function text(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString('latin1', at, end < 0 ? bytes.length : end);
}
