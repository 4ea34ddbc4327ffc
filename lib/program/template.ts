/**
 * Programs that differ only in the container's id, its host ids and some texts (own-texts.ts). A program is compiled and
 * encoded once for a placeholder id and a placeholder range of host ids. For each start, the launcher's thread replaces
 * these and appends the texts, so that the JavaScript thread compiles nothing.
 */
import { randomBytes } from 'node:crypto';
import type { Binding } from '../native/binding.js';
import { COMMAND_ROOM, execTexts } from './compile-process.js';
import {
  type Encoder,
  type Fault,
  HEADER,
  HEADER_SIZE,
  MAX_PROGRAM_SIZE,
  STEP,
  STEP_SIZE,
} from './encode.js';
import type { Opcode, Program, Step } from './instructions.js';
import type { Command } from './launch-input.js';
import { COMMAND_TEXTS, isOwnText, type OwnText, type OwnTexts, type Text } from './own-texts.js';

/** Random for each process, so that no text of a caller can be mistaken for it. */
const ID = `f${randomBytes(32).toString('hex').slice(1)}`;
const SHORT_LENGTH = 12;

/** Beyond every range that containers get (see IdRanges); all of these have ten digits, with leading zeros. */
const BASE = 4_000_000_000;

/** What to compile a template for. */
export const PLACEHOLDER = { id: ID, base: BASE } as const;

/** The container that a program is for. */
export interface Identity {
  /** Long id. */
  readonly id: string;
  /** Host id of container root; undefined with the host's user ids. */
  readonly base: number | undefined;
}

/** The numbers of a step that are host ids. */
const HOST_IDS: Readonly<Partial<Record<Opcode, readonly number[]>>> = {
  'fs.make': [1, 2],
  clone: [2],
  'fsids.set': [0, 1],
  'pipe.make': [1, 2],
};

/** Steps whose first two texts are id maps, user_namespaces(7). */
const WITH_MAPS: ReadonlySet<Opcode> = new Set(['ids.map', 'users.make']);

/** The second number of each of a map's lines. Those from BASE on have ten digits. */
const HOST_ID_OF_MAP = /^(\d+ )(\d{10})(?= )/gm;

function hostIds({ op, numbers }: Step): number[] {
  const positions = HOST_IDS[op] ?? [];
  return positions.filter((position) => Number(numbers?.[position] ?? 0) >= BASE);
}

/** The kinds of patches; see cpp/launcher/template.h. */
const PATCH = { longId: 0, shortId: 1, hostId: 2, digits: 3, text: 4 } as const;

export class Template {
  readonly bytes: Uint8Array;
  /**
   * Three numbers for each patch: its kind, its position, and for a host id its distance from the base, for an appended
   * text the number of those before it.
   */
  readonly patches: Uint32Array;
  /** Those of its texts that each start has of its own, in the order in which they are appended. */
  readonly own: readonly OwnText[];
  /** Without those of the command. */
  readonly others: readonly OwnText[];

  /** @param program compiled for PLACEHOLDER. */
  constructor(program: Program, encoder: Encoder, fault?: Fault) {
    const bytes = Buffer.from(encoder.encode(program, fault));
    const patches: number[] = [];
    const own: { readonly text: OwnText; readonly at: number }[] = [];
    const longIds = occurrences(bytes, ID, 0, bytes.length);
    for (const at of longIds) patches.push(PATCH.longId, at, 0);
    const long = new Set(longIds);
    for (const at of occurrences(bytes, ID.slice(0, SHORT_LENGTH), 0, bytes.length))
      if (!long.has(at)) patches.push(PATCH.shortId, at, 0);
    [...program.host, ...program.container, ...program.teardown].forEach((step, index) => {
      const record = HEADER_SIZE + index * STEP_SIZE;
      for (const place of hostIds(step)) {
        const above = Number(step.numbers?.[place]) - BASE;
        patches.push(PATCH.hostId, record + STEP.number + 8 * place, above);
      }
      step.texts?.forEach((text, place) => {
        if (text !== undefined && isOwnText(text))
          own.push({ text, at: record + STEP.text + 4 * place });
      });
      if (!WITH_MAPS.has(step.op)) return;
      for (const place of [0, 1]) {
        const text =
          bytes.readUInt32LE(HEADER.arena) + bytes.readUInt32LE(record + STEP.text + 4 * place);
        const end = text + 4 + bytes.readUInt32LE(text);
        const map = bytes.toString('latin1', text + 4, end);
        for (const { index, 1: before = '', 2: id } of map.matchAll(HOST_ID_OF_MAP))
          if (Number(id) >= BASE)
            patches.push(PATCH.digits, text + 4 + index + before.length, Number(id) - BASE);
      }
    });
    own.sort((one, other) => one.text.own - other.text.own);
    own.forEach(({ at }, number) => patches.push(PATCH.text, at, number));
    this.bytes = bytes;
    this.patches = Uint32Array.from(patches);
    this.own = own.map(({ text }) => text);
    this.others = this.own.filter((text) => text.own >= COMMAND_TEXTS);
  }

  /** The program for one container. @param appended as for `launch` */
  instantiate(
    binding: Pick<Binding, 'instantiate'>,
    { id, base = 0 }: Identity,
    appended?: Uint8Array,
  ): Uint8Array {
    return binding.instantiate(this.bytes, this.patches, id, base, appended);
  }
}

/** The command of a start, as it is appended to a template without one, for `launch` and `instantiate`. */
export class CommandTemplate {
  /** The position of the short id in the texts, as 4 bytes (NOWHERE: it is not there); then the texts. */
  readonly bytes: Uint8Array;

  /**
   * @param command for PLACEHOLDER.
   * @param program the program that it is appended to.
   * @throws ERR_INVALID_PROGRAM where both together are too long
   */
  constructor(
    readonly command: Command,
    program: Template,
    encoder: Encoder,
  ) {
    const texts = encoder.texts(execTexts(command), program.bytes.length);
    const bytes = Buffer.allocUnsafe(PLACE_SIZE + texts.length);
    bytes.set(texts, PLACE_SIZE);
    const place = bytes.indexOf(ID.slice(0, SHORT_LENGTH), PLACE_SIZE, 'latin1');
    bytes.writeUInt32LE(place < 0 ? NOWHERE : place - PLACE_SIZE, 0);
    this.bytes = bytes;
  }
}

/**
 * The command of a container that was parked, for `goOn`: the texts of `exec`, and a directory, '' for its own.
 *
 * @param command for PLACEHOLDER.
 * @returns undefined where it is too long
 */
export function claimedCommand(
  command: Command,
  directory: string,
  { id }: Identity,
  encoder: Encoder,
): Uint8Array | undefined {
  const texts = [...execTexts(command), directory];
  const size = texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 8, 0);
  if (size > COMMAND_ROOM) return undefined;
  const short = ID.slice(0, SHORT_LENGTH);
  return encoder.texts(
    texts.map((text) => text.replaceAll(short, id.slice(0, SHORT_LENGTH))),
    0,
  );
}

const PLACE_SIZE = 4;
const NOWHERE = 0xffff_ffff;
const NO_COMMAND = Uint8Array.from([0xff, 0xff, 0xff, 0xff]);

/**
 * All that a start appends to a template: its command, if the template has none, and its other texts.
 *
 * @throws ERR_INVALID_PROGRAM where the program would be too long
 */
export function appendedTexts(
  { own, others, bytes }: Template,
  encoder: Encoder,
  texts: OwnTexts,
  command?: CommandTemplate,
): Uint8Array {
  const first = command?.bytes ?? NO_COMMAND;
  const some = command === undefined ? own : others;
  const behind = bytes.length + first.length - PLACE_SIZE;
  const known = texts.recordsOf(some);
  const encoded =
    known !== undefined && known.length <= MAX_PROGRAM_SIZE - behind
      ? known
      : encoder.texts(
          some.map((text) => texts.textOf(text)),
          behind,
        );
  const all = Buffer.allocUnsafe(first.length + encoded.length);
  all.set(first);
  all.set(encoded, first.length);
  return all;
}

/** The program with another command in its last step, `exec`; or without one, which each start appends. */
export function withCommand(program: Program, command: Command | undefined): Program {
  const container = program.container.with(-1, {
    op: 'exec',
    texts: command === undefined ? OWN_COMMAND : execTexts(command),
  });
  return { ...program, container };
}

const OWN_COMMAND: readonly OwnText[] = Array.from({ length: COMMAND_TEXTS }, (_, own) => ({
  own,
}));

function occurrences(bytes: Buffer, text: string, from: number, to: number): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(text, from, 'latin1'); at >= 0 && at < to;) {
    found.push(at);
    at = bytes.indexOf(text, at + text.length, 'latin1');
  }
  return found;
}

/** The steps of a template for one container: for `explain`, errors and the timeline. */
export function instantiate(
  program: Program,
  { id, base }: Identity,
  own?: Pick<OwnTexts, 'textOf'>,
): Program {
  const text = (value: string) =>
    value.replaceAll(ID, id).replaceAll(ID.slice(0, SHORT_LENGTH), id.slice(0, SHORT_LENGTH));
  const step = (template: Step): Step => {
    const positions = hostIds(template);
    return {
      ...template,
      texts: template.texts?.map((value): Text | OwnText | undefined => {
        if (value !== undefined && isOwnText(value)) return own?.textOf(value) ?? value;
        if (typeof value !== 'string') return value;
        const named = text(value);
        if (!WITH_MAPS.has(template.op)) return named;
        return named.replace(HOST_ID_OF_MAP, (line, before: string, id: string) =>
          Number(id) < BASE ? line : `${before}${Number(id) - BASE + (base ?? 0)}`,
        );
      }),
      numbers: template.numbers?.map((value, position) =>
        positions.includes(position) ? Number(value) - BASE + (base ?? 0) : value,
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
