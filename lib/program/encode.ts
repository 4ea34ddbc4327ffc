/** A program as the bytes that cpp/program/program.h decodes. Layout: cpp/program/instruction.h. */
import { CaissonError } from '../errors.js';
import { OPCODE_NUMBERS, type Program, type Step } from './instructions.js';

const MAGIC = 0x314e5343;
const VERSION = 1;
const HEADER_SIZE = 40;
const STEP_SIZE = 64;
const MAX_SIZE = 8 << 20;

/** What to do at one step instead of running it. Debug builds of the addon only. */
export interface Fault {
  readonly half: 'host' | 'container';
  readonly step: number;
  readonly action: 'fail' | 'kill-init' | 'kill-node' | 'kill-both';
}

const FAULTS = { fail: 1, 'kill-init': 2, 'kill-node': 3, 'kill-both': 4 } as const;

/**
 * Encodes with a buffer that is reused: the result is a view that the next call overwrites, because the
 * addon copies what it is given.
 */
export class Encoder {
  private bytes = Buffer.allocUnsafeSlow(32 << 10);
  private end = 0;

  encode(program: Program, fault?: Fault): Uint8Array {
    const { host, container, teardown, slots } = program;
    const arena = HEADER_SIZE + (host.length + container.length + teardown.length) * STEP_SIZE;
    this.end = 0;
    this.reserve(arena + 4);
    this.bytes.fill(0, 0, arena + 4);
    this.end = arena + 4; // offset 0 of the arena means "no text"

    let at = HEADER_SIZE;
    for (const half of [host, container, teardown]) {
      for (const step of half) {
        this.step(step, at, arena);
        at += STEP_SIZE;
      }
    }
    const { bytes, end } = this;
    bytes.writeUInt32LE(MAGIC, 0);
    bytes.writeUInt32LE(VERSION, 4);
    bytes.writeUInt32LE(end, 8);
    bytes.writeUInt16LE(slots, 12);
    bytes.writeUInt16LE(host.length, 14);
    bytes.writeUInt16LE(container.length, 16);
    bytes.writeUInt16LE(teardown.length, 18);
    bytes.writeUInt32LE(arena, 20);
    if (fault !== undefined) {
      bytes.writeUInt16LE(fault.half === 'host' ? 0 : 1, 24);
      bytes.writeUInt16LE(fault.step, 26);
      bytes.writeUInt32LE(FAULTS[fault.action], 28);
    }
    return bytes.subarray(0, end);
  }

  private step({ op, slots, texts, numbers }: Step, at: number, arena: number): void {
    const { bytes } = this;
    bytes.writeUInt16LE(OPCODE_NUMBERS[op], at);
    for (let i = 0; i < 4; i++) bytes.writeInt16LE(slots?.[i] ?? -1, at + 4 + 2 * i);
    if (numbers !== undefined) {
      for (let i = 0; i < numbers.length; i++) {
        const number = numbers[i];
        if (number === undefined || number === 0) continue;
        const place = at + 32 + 8 * i;
        if (typeof number === 'bigint') bytes.writeBigUInt64LE(BigInt.asUintN(64, number), place);
        else if (number >= 0 && number <= 0xffffffff) bytes.writeUInt32LE(number, place);
        else bytes.writeBigInt64LE(BigInt(number), place);
      }
    }
    if (texts === undefined) return;
    for (let i = 0; i < texts.length; i++) {
      const text = texts[i];
      // The buffer may move while texts are added: write through `this`.
      if (text !== undefined) {
        const offset = this.text(text) - arena;
        this.bytes.writeUInt32LE(offset, at + 12 + 4 * i);
      }
    }
  }

  /** Appends a text record, 4-aligned: length, bytes, NUL. */
  private text(text: string | Uint8Array): number {
    const most = typeof text === 'string' ? text.length * 3 : text.length;
    this.reserve(most + 12);
    const { bytes } = this;
    const start = this.end;
    let size: number;
    if (typeof text === 'string') {
      size = bytes.write(text, start + 4);
    } else {
      bytes.set(text, start + 4);
      size = text.length;
    }
    bytes.writeUInt32LE(size, start);
    const after = start + 4 + size;
    this.end = (after + 4) & ~3;
    bytes.fill(0, after, this.end);
    return start;
  }

  private reserve(more: number): void {
    const needed = this.end + more;
    if (needed <= this.bytes.length) return;
    if (needed > MAX_SIZE) {
      throw new CaissonError(
        'ERR_INVALID_PROGRAM',
        `the launch program is larger than ${MAX_SIZE} bytes: too many arguments or variables`,
        { stage: 'config' },
      );
    }
    const larger = Buffer.allocUnsafeSlow(
      Math.min(MAX_SIZE, Math.max(needed, this.bytes.length * 2)),
    );
    this.bytes.copy(larger);
    this.bytes = larger;
  }
}

/** "one\0two\0": how a list of strings is written as one text. */
export function stringList(items: readonly string[]): string {
  return items.length === 0 ? '' : items.join('\0') + '\0';
}

/** A list of slots or group ids as bytes. */
export function slotList(slots: readonly number[]): Uint8Array {
  return new Uint8Array(Uint16Array.from(slots).buffer);
}

export function idList(ids: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(ids).buffer);
}
