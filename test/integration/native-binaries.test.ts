/**
 * How the native binaries are linked (docs/decisions/0015-hardened-binaries.md): read from their ELF headers, elf(5),
 * and from the memory of a caisson-init that runs.
 */
import { expect } from 'chai';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { addonPath, archivePath } from '../../lib/native/load.js';
import { skip } from '../support/skip.js';

const ET_DYN = 3;
const PT = { LOAD: 1, DYNAMIC: 2, INTERP: 3, GNU_STACK: 0x6474e551, GNU_RELRO: 0x6474e552 };
const PF = { EXECUTE: 1, WRITE: 2 };
const DT = { TEXTREL: 22, FLAGS: 30, FLAGS_1: 0x6ffffffb };
const DF_BIND_NOW = 8;
const DF_1 = { NOW: 1, PIE: 0x08000000 };

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

interface Elf {
  readonly type: number;
  readonly segments: readonly Segment[];
  /** Values of the dynamic section by tag. */
  readonly dynamic: ReadonlyMap<number, number>;
  /** Where each symbol lies; 0 where another file has it. */
  readonly symbols: ReadonlyMap<string, number>;
  /** Names and file offsets of the sections with contents. */
  readonly sections: ReadonlyMap<string, number>;
}

/** 64 bits, little-endian: all that caisson runs on. */
function readElf(path: string): Elf {
  const bytes = readFileSync(path);
  expect(bytes.subarray(0, 6).toString('latin1')).to.equal('\x7fELF\x02\x01');
  const word = (at: number): number => Number(bytes.readBigUInt64LE(at));
  const text = (at: number): string => bytes.toString('latin1', at, bytes.indexOf(0, at));
  const table = (at: number, size: number, count: number): number[] =>
    Array.from({ length: count }, (_, index) => at + index * size);

  const segments = table(word(32), bytes.readUInt16LE(54), bytes.readUInt16LE(56)).map((at) => ({
    type: bytes.readUInt32LE(at),
    flags: bytes.readUInt32LE(at + 4),
    offset: word(at + 8),
    address: word(at + 16),
    fileSize: word(at + 32),
    memorySize: word(at + 40),
  }));

  const dynamic = new Map<number, number>();
  const place = segments.find(({ type }) => type === PT.DYNAMIC);
  for (const at of table(place?.offset ?? 0, 16, (place?.fileSize ?? 0) / 16)) {
    dynamic.set(word(at), Number(BigInt.asUintN(53, bytes.readBigUInt64LE(at + 8))));
  }

  const headers = table(word(40), bytes.readUInt16LE(58), bytes.readUInt16LE(60)).map((at) => ({
    name: bytes.readUInt32LE(at),
    type: bytes.readUInt32LE(at + 4),
    offset: word(at + 24),
    size: word(at + 32),
    link: bytes.readUInt32LE(at + 40),
  }));
  const names = headers[bytes.readUInt16LE(62)]?.offset ?? 0;
  const sections = new Map<string, number>();
  const symbols = new Map<string, number>();
  for (const { name, type, offset, size, link } of headers) {
    const [SYMTAB, NOBITS, DYNSYM] = [2, 8, 11];
    if (type !== NOBITS && size > 0) sections.set(text(names + name), offset);
    if (type !== SYMTAB && type !== DYNSYM) continue;
    for (const at of table(offset, 24, size / 24)) {
      symbols.set(text((headers[link]?.offset ?? 0) + bytes.readUInt32LE(at)), word(at + 8));
    }
  }
  return { type: bytes.readUInt16LE(16), segments, dynamic, symbols, sections };
}

/** As a release's binaries are, which have only the symbols that they share with other files. */
const isStripped = ({ sections }: Elf): boolean => !sections.has('.symtab');

const init = (): string => join(dirname(addonPath()), 'caisson-init');

describe('the native binaries', () => {
  for (const [name, path] of [
    ['the addon', addonPath],
    ['caisson-init', init],
    ['caisson-archive', archivePath],
  ] as const) {
    it(`A10: ${name} is position-independent, protected against overruns, and writable only where it must be`, () => {
      const elf = readElf(path());
      const of = (type: number): Segment[] => elf.segments.filter((one) => one.type === type);

      expect(elf.type).to.equal(ET_DYN);
      const flags = elf.dynamic.get(DT.FLAGS_1) ?? 0;
      expect((elf.dynamic.get(DT.FLAGS) ?? 0) & DF_BIND_NOW, 'BIND_NOW').to.equal(DF_BIND_NOW);
      expect(flags & DF_1.NOW, 'NOW').to.equal(DF_1.NOW);
      expect(elf.dynamic.has(DT.TEXTREL), 'relocations of code').to.equal(false);
      if (name !== 'the addon') {
        expect(flags & DF_1.PIE, 'PIE').to.equal(DF_1.PIE);
        expect(of(PT.INTERP), 'program interpreters').to.deep.equal([]);
      }

      const [stack, ...stacks] = of(PT.GNU_STACK);
      expect(stacks).to.deep.equal([]);
      expect((stack?.flags ?? PF.EXECUTE) & PF.EXECUTE, 'an executable stack').to.equal(0);

      const executable = of(PT.LOAD).filter((one) => (one.flags & PF.EXECUTE) !== 0);
      const writable = of(PT.LOAD).filter((one) => (one.flags & PF.WRITE) !== 0);
      expect(executable).to.have.lengthOf(1);
      // lld makes two of it: what is read-only after relocation, and variables.
      expect(writable.length).to.be.within(1, 2);
      expect(writable).to.not.include(executable[0]);
      const inCode = (offset: number): boolean =>
        executable.some((one) => offset >= one.offset && offset < one.offset + one.fileSize);
      expect(inCode(0), 'the headers are executable').to.equal(false);
      expect(inCode(elf.sections.get('.text') ?? -1), '.text is executable').to.equal(true);
      expect(inCode(elf.sections.get('.rodata') ?? -1), '.rodata is executable').to.equal(false);

      const [relro, ...more] = of(PT.GNU_RELRO);
      expect(more).to.deep.equal([]);
      expect(relro?.memorySize, 'RELRO').to.be.greaterThan(0);
      expect(relro?.address).to.equal(writable[0]?.address);
      const [first, second] = writable;
      if (second !== undefined)
        expect(relro?.memorySize).to.be.at.least(first?.memorySize ?? Infinity);

      if (name !== 'the addon' && isStripped(elf)) return;
      // In caisson-init nothing is linked that no code refers to (--gc-sections).
      expect([...elf.symbols.keys()].map((symbol) => symbol.split('@')[0])).to.include(
        '__stack_chk_fail',
      );
    });
  }

  it('A10: what a running caisson-init has relocated cannot be written', async function () {
    const relro = readElf(init()).segments.find(({ type }) => type === PT.GNU_RELRO);
    const waiting = await startWaiting();
    if (waiting === undefined) skip(this, 'this machine forbids user namespaces');
    const { child, ended } = waiting;
    try {
      const maps = mappings(child);
      const at = (maps.find(({ ours }) => ours)?.from ?? 0) + (relro?.address ?? 0);
      expect(maps.find(({ from, to }) => at >= from && at < to)?.rights).to.equal('r--p');
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  });

  it('A10: each caisson-init lies at another address, with a stack protector of its own that cannot be written', async function () {
    const elf = readElf(init());
    if (isStripped(elf)) skip(this, 'a stripped caisson-init does not say where the value is');
    const guard = elf.symbols.get('__stack_chk_guard') ?? 0;
    expect(guard).to.be.greaterThan(0);
    const seen: Guard[] = [];
    for (let i = 0; i < 3; ++i) {
      const found = await readGuard(guard);
      if (found === undefined) skip(this, 'this machine forbids user namespaces');
      seen.push(found);
    }
    for (const { value, rights } of seen) {
      expect(rights).to.equal('r--p');
      expect(value & 0xffn, 'a byte that ends a string').to.equal(0n);
    }
    expect(new Set(seen.map(({ value }) => value)).size).to.equal(3);
    if (readFileSync('/proc/sys/kernel/randomize_va_space', 'latin1') !== '0\n') {
      expect(new Set(seen.map(({ base }) => base)).size).to.equal(3);
    }
  });

  it('A10: a caisson-init whose stack has been overrun says so and ends before the function returns', async function () {
    const elf = readElf(init());
    if (isStripped(elf)) skip(this, 'a stripped caisson-init does not say where the value is');
    const guard = elf.symbols.get('__stack_chk_guard') ?? 0;
    expect(guard).to.be.greaterThan(0);
    const waiting = await startWaiting();
    if (waiting === undefined) skip(this, 'this machine forbids user namespaces');
    const { child, channel, ended } = waiting;
    try {
      const base = mappings(child).find(({ ours }) => ours)?.from ?? 0;
      // The same to the function that waits as another value above its variables.
      withMemory(child, 'r+', (memory) =>
        writeSync(memory, Buffer.alloc(8, 1), 0, 8, base + guard),
      );
      channel.write('\0');
      const said = (await child.stderr?.toArray())?.join('');
      expect(said).to.equal('caisson-init: a stack buffer was overrun\n');
      expect(await ended).to.deep.equal([null, process.arch === 'arm64' ? 'SIGTRAP' : 'SIGILL']);
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  });
});

interface Waiting {
  readonly child: ChildProcess;
  readonly channel: Duplex;
  readonly ended: Promise<unknown[]>;
}

/** A caisson-init that waits for its user namespace's ids; undefined where it cannot have one. */
async function startWaiting(): Promise<Waiting | undefined> {
  const child = spawn(init(), ['teardown', '3'], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  const channel = child.stdio[3] as Duplex;
  const [answer] = (await once(channel, 'data')) as [Buffer];
  if (answer.readInt32LE() >= 0) return { child, channel, ended };
  await ended;
  return undefined;
}

interface Mapping {
  readonly from: number;
  readonly to: number;
  readonly rights: string | undefined;
  readonly ours: boolean;
}

function mappings({ pid }: ChildProcess): Mapping[] {
  return readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .map((line) => {
      const [, from = '', to = '', rights] = /^(\w+)-(\w+) (\S+)/.exec(line) ?? [];
      const ours = line.endsWith('/caisson-init');
      return { from: parseInt(from, 16), to: parseInt(to, 16), rights, ours };
    });
}

function withMemory<T>({ pid }: ChildProcess, flags: string, use: (memory: number) => T): T {
  const memory = openSync(`/proc/${pid}/mem`, flags);
  try {
    return use(memory);
  } finally {
    closeSync(memory);
  }
}

interface Guard {
  readonly base: number;
  readonly value: bigint;
  readonly rights: string | undefined;
}

async function readGuard(offset: number): Promise<Guard | undefined> {
  const waiting = await startWaiting();
  if (waiting === undefined) return undefined;
  const { child, ended } = waiting;
  try {
    const maps = mappings(child);
    const base = maps.find(({ ours }) => ours)?.from ?? 0;
    const at = base + offset;
    const bytes = Buffer.alloc(8);
    withMemory(child, 'r', (memory) => expect(readSync(memory, bytes, 0, 8, at)).to.equal(8));
    const rights = maps.find(({ from, to }) => at >= from && at < to)?.rights;
    return { base, value: bytes.readBigUInt64LE(), rights };
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}
