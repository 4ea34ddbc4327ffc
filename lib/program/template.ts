/**
 * Programs that differ only in who they are for. A program is compiled and encoded once for an id and a range
 * of host ids that nobody has, and for each start these are written over: what is left of compiling on the
 * JavaScript thread is some fifty short writes.
 */
import { randomBytes } from 'node:crypto';
import { type Encoder, type Fault, HEADER_SIZE, STEP_SIZE } from './encode.js';
import type { Opcode, Program, Step } from './instructions.js';

/** Drawn anew by each process, so that nothing that a caller says can be taken for it. */
const ID = `f${randomBytes(32).toString('hex').slice(1)}`;
const SHORT_LENGTH = 12;

/** Beyond every range that containers get (see IdRanges); all of these have ten digits, with leading zeros. */
const BASE = 4_000_000_000;
const BASE_DIGITS = 10;

/** What to compile a template for. */
export const PLACEHOLDER = { id: ID, base: BASE } as const;

/** Whom a program is for. */
export interface Identity {
  /** Long id. */
  readonly id: string;
  /** Host id of container root; undefined with the host's own users. */
  readonly base: number | undefined;
}

/** The numbers of a step that are host ids. */
const HOST_IDS: Readonly<Partial<Record<Opcode, readonly number[]>>> = {
  'fsids.set': [0, 1],
  'pipe.make': [1, 2],
};

function hostIds({ op, numbers }: Step): number[] {
  const places = HOST_IDS[op] ?? [];
  return places.filter((place) => Number(numbers?.[place] ?? 0) >= BASE);
}

/** What is written over the templates, as bytes: to write a text costs twenty times as much as to copy one. */
const words = Buffer.alloc(ID.length + BASE_DIGITS);
const longWord = words.subarray(0, ID.length);
const shortWord = words.subarray(0, SHORT_LENGTH);
const digitsWord = words.subarray(ID.length);

export class Template {
  private readonly bytes: Buffer;
  private readonly longIds: readonly number[];
  private readonly shortIds: readonly number[];
  /** Where a host id is, and how far it lies above the base. */
  private readonly hostIds: readonly { readonly at: number; readonly above: number }[] = [];
  /** Where the base stands in decimal digits. */
  private readonly digits: readonly number[] = [];

  /** @param program compiled for PLACEHOLDER. */
  constructor(program: Program, encoder: Encoder, fault?: Fault) {
    const bytes = Buffer.from(encoder.encode(program, fault));
    this.bytes = bytes;
    this.longIds = occurrences(bytes, ID, 0, bytes.length);
    const long = new Set(this.longIds);
    this.shortIds = occurrences(bytes, ID.slice(0, SHORT_LENGTH), 0, bytes.length).filter(
      (at) => !long.has(at),
    );
    const numbers: { at: number; above: number }[] = [];
    const digits: number[] = [];
    [...program.host, ...program.container, ...program.teardown].forEach((step, index) => {
      const record = HEADER_SIZE + index * STEP_SIZE;
      for (const place of hostIds(step)) {
        numbers.push({ at: record + 32 + 8 * place, above: Number(step.numbers?.[place]) - BASE });
      }
      if (step.op !== 'ids.map') return;
      for (const place of [0, 1]) {
        const text = bytes.readUInt32LE(20) + bytes.readUInt32LE(record + 12 + 4 * place);
        const end = text + 4 + bytes.readUInt32LE(text);
        digits.push(...occurrences(bytes, String(BASE), text + 4, end));
      }
    });
    this.hostIds = numbers;
    this.digits = digits;
  }

  /** The program for somebody: a view that the next call overwrites. */
  stamp({ id, base }: Identity): Uint8Array {
    const { bytes } = this;
    words.write(id, 0, 'latin1');
    for (const at of this.longIds) bytes.set(longWord, at);
    for (const at of this.shortIds) bytes.set(shortWord, at);
    if (base !== undefined) {
      for (const { at, above } of this.hostIds) bytes.writeUInt32LE(base + above, at);
      words.write(String(base).padStart(BASE_DIGITS, '0'), ID.length, 'latin1');
      for (const at of this.digits) bytes.set(digitsWord, at);
    }
    return bytes;
  }
}

function occurrences(bytes: Buffer, text: string, from: number, to: number): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(text, from, 'latin1'); at >= 0 && at < to;) {
    found.push(at);
    at = bytes.indexOf(text, at + text.length, 'latin1');
  }
  return found;
}

/** The steps of a template for somebody: for `explain`, errors and the timeline. */
export function instantiate(program: Program, { id, base }: Identity): Program {
  const text = (value: string) =>
    value.replaceAll(ID, id).replaceAll(ID.slice(0, SHORT_LENGTH), id.slice(0, SHORT_LENGTH));
  const step = (template: Step): Step => {
    const places = hostIds(template);
    return {
      ...template,
      texts: template.texts?.map((value) => {
        if (typeof value !== 'string') return value;
        const named = text(value);
        return template.op === 'ids.map' ? named.replaceAll(String(BASE), String(base)) : named;
      }),
      numbers: template.numbers?.map((value, place) =>
        places.includes(place) ? Number(value) - BASE + (base ?? 0) : value,
      ),
    };
  };
  return {
    slots: program.slots,
    host: program.host.map(step),
    container: program.container.map(step),
    teardown: program.teardown.map(step),
  };
}
