/** A program as the bytes that cpp/program/program.h decodes. Layout: cpp/program/instruction.h. */
import { CaissonError } from '../base/errors.js';
import { OPCODE_NUMBERS, type Program, type Step } from './instructions.js';
import { isOwnText, type Text } from './own-texts.js';

export const PROGRAM_MAGIC = 0x314e5343;
export const PROGRAM_VERSION = 1;
export const HEADER_SIZE = 40;
export const STEP_SIZE = 64;
export const MAX_PROGRAM_SIZE = 8 << 20;

/** Where the fields of the header and of a step are. */
export const HEADER = {
  magic: 0,
  version: 4,
  size: 8,
  slots: 12,
  steps: 14,
  arena: 20,
  faultPhase: 24,
  faultStep: 26,
  faultAction: 28,
  reserved: 32,
} as const;
export const STEP = {
  op: 0,
  reserved: 2,
  slot: 4,
  text: 12,
  reserved2: 28,
  number: 32,
} as const;

/** What to do at one step instead of running it. Debug builds of the addon only. */
export interface Fault {
  /** `agent`: what a supervisor does before, to be in a rootless user's shared network (cpp/init/user_namespace.h). */
  readonly phase: 'host' | 'container' | 'agent';
  readonly step: number;
  readonly action: 'fail' | 'kill-init' | 'kill-node' | 'kill-both';
}

const FAULT_PHASES = { host: 0, container: 1, agent: 3 } as const;
export const FAULTS = { fail: 1, 'kill-init': 2, 'kill-node': 3, 'kill-both': 4 } as const;

/** Bytes from which a text is measured before space is allocated for it. */
const LONG_TEXT = 1 << 20;

/** Longer texts are written by Node's encoder. */
const SHORT_TEXT = 96;

/**
 * Encodes with a buffer that is reused: the result is a view that the next call overwrites, because the
 * addon copies what it is given. Little-endian machines only, which are all that caisson runs on.
 */
export class Encoder {
  private bytes = Buffer.allocUnsafeSlow(32 << 10);
  private int16s = new Int16Array(this.bytes.buffer);
  private words = new Uint32Array(this.bytes.buffer);
  private end = 0;

  encode(program: Program, fault?: Fault): Uint8Array {
    const { host, container, teardown, slots } = program;
    const arena = HEADER_SIZE + (host.length + container.length + teardown.length) * STEP_SIZE;
    this.end = 0;
    this.reserve(arena + 4);
    this.words.fill(0, 0, (arena + 4) >> 2);
    this.end = arena + 4; // offset 0 of the arena means "no text"

    let at = HEADER_SIZE;
    for (const steps of [host, container, teardown]) {
      for (const step of steps) {
        this.step(step, at, arena);
        at += STEP_SIZE;
      }
    }
    const { int16s, words, end } = this;
    words[HEADER.magic >> 2] = PROGRAM_MAGIC;
    words[HEADER.version >> 2] = PROGRAM_VERSION;
    words[HEADER.size >> 2] = end;
    int16s[HEADER.slots >> 1] = slots;
    int16s[HEADER.steps >> 1] = host.length;
    int16s[(HEADER.steps >> 1) + 1] = container.length;
    int16s[(HEADER.steps >> 1) + 2] = teardown.length;
    words[HEADER.arena >> 2] = arena;
    if (fault !== undefined) {
      int16s[HEADER.faultPhase >> 1] = FAULT_PHASES[fault.phase];
      int16s[HEADER.faultStep >> 1] = fault.step;
      words[HEADER.faultAction >> 2] = FAULTS[fault.action];
    }
    return this.bytes.subarray(0, end);
  }

  /**
   * Texts alone, one record after the other, as they follow a program of that many bytes.
   *
   * @throws ERR_INVALID_PROGRAM where both together are too long
   */
  texts(texts: readonly Text[], behind: number): Uint8Array {
    this.end = 0;
    this.reserve(behind);
    this.end = behind;
    for (const text of texts) this.text(text);
    return this.bytes.subarray(behind, this.end);
  }

  private step({ op, slots, texts, numbers }: Step, at: number, arena: number): void {
    const { int16s } = this;
    int16s[(at + STEP.op) >> 1] = OPCODE_NUMBERS[op];
    const slotsAt = (at + STEP.slot) >> 1;
    for (let i = 0; i < 4; i++) int16s[slotsAt + i] = slots?.[i] ?? -1;
    if (numbers !== undefined) {
      const place = (at + STEP.number) >> 2;
      for (let i = 0; i < numbers.length; i++) this.number(numbers[i] ?? 0, place + 2 * i);
    }
    if (texts === undefined) return;
    for (let i = 0; i < texts.length; i++) {
      const text = texts[i];
      if (text === undefined || isOwnText(text)) continue;
      const offset = this.text(text) - arena;
      // The buffer may have moved: look it up only now.
      this.words[((at + STEP.text) >> 2) + i] = offset;
    }
  }

  /** 64 bits, two's complement. */
  private number(number: number | bigint, place: number): void {
    const { words } = this;
    if (typeof number === 'bigint') {
      words[place] = Number(number & 0xffff_ffffn);
      words[place + 1] = Number((number >> 32n) & 0xffff_ffffn);
    } else {
      words[place] = number;
      words[place + 1] = Math.floor(number / 0x1_0000_0000);
    }
  }

  /** Appends a text record, 4-aligned: length, bytes, NUL. */
  private text(text: Text): number {
    // At most three bytes for each character; measured exactly before it is too much.
    let most = typeof text === 'string' ? text.length * 3 : text.length;
    if (most > LONG_TEXT) most = Buffer.byteLength(text);
    this.reserve(most + 12);
    const { bytes, end: start } = this;
    const size = this.characters(text, start + 4);
    this.words[start >> 2] = size;
    const after = start + 4 + size;
    this.end = (after + 4) & ~3;
    for (let i = after; i < this.end; i++) bytes[i] = 0;
    return start;
  }

  /** Writes the text's bytes; returns how many. */
  private characters(text: Text, at: number): number {
    const { bytes } = this;
    if (typeof text !== 'string') {
      bytes.set(text, at);
      return text.length;
    }
    const { length } = text;
    if (length > SHORT_TEXT) return bytes.write(text, at);
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return bytes.write(text, at);
      bytes[at + i] = code;
    }
    return length;
  }

  private reserve(more: number): void {
    const needed = this.end + more;
    if (needed <= this.bytes.length) return;
    if (needed > MAX_PROGRAM_SIZE) {
      throw new CaissonError(
        'ERR_INVALID_PROGRAM',
        `the launch program is larger than ${MAX_PROGRAM_SIZE} bytes: too many arguments or variables`,
        { stage: 'config' },
      );
    }
    const size = Math.min(MAX_PROGRAM_SIZE, Math.max(needed, this.bytes.length * 2));
    const larger = Buffer.allocUnsafeSlow((size + 3) & ~3);
    this.bytes.copy(larger);
    this.bytes = larger;
    this.int16s = new Int16Array(larger.buffer);
    this.words = new Uint32Array(larger.buffer);
  }
}

/** "one\0two\0": a list of strings as one text. */
export function stringList(items: readonly string[]): string {
  return items.length === 0 ? '' : items.join('\0') + '\0';
}

/** In the slots of an overlay's lowers: a name in the tree of its last slot (cpp/host/trees.cpp). */
export const IN_FROZEN_TREE = 0xffff;

/** A list of slots or group ids as bytes. */
export function slotList(slots: readonly number[]): Uint8Array {
  return new Uint8Array(Uint16Array.from(slots).buffer);
}

export function idList(ids: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(ids).buffer);
}
