/**
 * A start's own texts (own-texts.ts) of which all but a few values is the same for each start: its id, its addresses. Encoding the
 * messages of a network takes longer than the rest of a start on the JavaScript thread, so they are made from those of another
 * start, with the values at their positions.
 *
 * The positions are found by a comparison of the texts of two starts. A value is where one of them has its own and the other one has
 * the other's, and all that differs has to be values: otherwise there is no template, and each start encodes its own.
 */
import { COMMAND_TEXTS, type OwnText, OwnTexts, type Text } from './own-texts.js';

/** A value as texts contain it, and as encoded messages do. */
export interface StartValue {
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** A start with texts that were made for it alone. */
export interface SampleStart {
  readonly own: OwnTexts;
  /** In the same order for all starts. One that contains another comes before it. */
  readonly values: readonly StartValue[];
}

type TextTemplate =
  | { readonly kind: 'constant'; readonly text: Text }
  /** What is between the values, and the number of each value. */
  | { readonly kind: 'text'; readonly parts: readonly string[]; readonly values: readonly number[] }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly positions: readonly Position[] };

interface Position {
  readonly at: number;
  /** Its number. */
  readonly value: number;
}

/** Some texts of a template, encoded for values of these lengths. */
interface Records {
  readonly lengths: readonly number[];
  readonly bytes: Uint8Array;
  readonly positions: readonly (Position & { readonly isText: boolean })[];
}

/** Lengths that addresses of a network can have are few. */
const MOST_RECORDS = 16;

export class OwnTextsTemplate {
  private readonly known = new WeakMap<readonly OwnText[], readonly Records[]>();

  private constructor(private readonly texts: readonly TextTemplate[]) {}

  /** @param other has other values. Undefined: their texts differ in more than that */
  static of(one: SampleStart, other: SampleStart): OwnTextsTemplate | undefined {
    const [texts, others] = [one.own.all, other.own.all];
    if (texts.length !== others.length) return undefined;
    const templates: TextTemplate[] = [];
    for (const [at, text] of texts.entries()) {
      const found = templateOf(text, others[at] ?? '', one.values, other.values);
      if (found === undefined) return undefined;
      templates.push(found);
    }
    return new OwnTextsTemplate(templates);
  }

  /** Those of a start with these values. */
  fill(values: readonly StartValue[]): OwnTexts {
    return new FilledTexts(this, values);
  }

  textsFor(values: readonly StartValue[]): Text[] {
    return this.texts.map((template) => filled(template, values));
  }

  textFor({ own }: OwnText, values: readonly StartValue[]): Text | undefined {
    const template = this.texts[own - COMMAND_TEXTS];
    return template && filled(template, values);
  }

  recordsFor(some: readonly OwnText[], values: readonly StartValue[]): Uint8Array {
    const known = this.known.get(some) ?? [];
    let records = known.find(({ lengths }) =>
      lengths.every((length, number) => values[number]?.text.length === length),
    );
    if (records === undefined) {
      const templates = some.map(({ own }) => this.texts[own - COMMAND_TEXTS] ?? NOTHING);
      records = recordsOf(templates, values);
      this.known.set(some, [records, ...known.slice(0, MOST_RECORDS - 1)]);
    }
    const { bytes, positions } = records;
    const all = Buffer.allocUnsafe(bytes.length);
    all.set(bytes);
    const texts = values.map(({ text }) => Buffer.from(text, 'latin1'));
    for (const { at, value, isText } of positions)
      all.set((isText ? texts[value] : values[value]?.bytes) ?? [], at);
    return all;
  }
}

const NOTHING: TextTemplate = { kind: 'constant', text: '' };

/** Most starts need them as records alone. */
class FilledTexts extends OwnTexts {
  private made: readonly Text[] | undefined;

  constructor(
    private readonly template: OwnTextsTemplate,
    private readonly values: readonly StartValue[],
  ) {
    super();
  }

  override get all(): readonly Text[] {
    return (this.made ??= this.template.textsFor(this.values));
  }

  override textOf(own: OwnText): Text {
    return this.template.textFor(own, this.values) ?? super.textOf(own);
  }

  override recordsOf(some: readonly OwnText[]): Uint8Array {
    return this.template.recordsFor(some, this.values);
  }
}

/** One record after the other, as `Encoder.texts` makes them: length, bytes, NUL, and no more up to a multiple of four. */
function recordsOf(templates: readonly TextTemplate[], values: readonly StartValue[]): Records {
  const parts: Buffer[] = [];
  const positions: Records['positions'][number][] = [];
  let end = 0;
  for (const template of templates) {
    const bytes = Buffer.from(filled(template, values));
    const size = (4 + bytes.length + 4) & ~3;
    const record = Buffer.alloc(size);
    record.writeUInt32LE(bytes.length);
    record.set(bytes, 4);
    parts.push(record);
    for (const position of positionsIn(template, values))
      positions.push({
        at: end + 4 + position.at,
        value: position.value,
        isText: template.kind === 'text',
      });
    end += size;
  }
  const lengths = values.map(({ text }) => text.length);
  return { lengths, bytes: Buffer.concat(parts), positions };
}

/** Bytes before each value, and its number. */
function positionsIn(template: TextTemplate, values: readonly StartValue[]): readonly Position[] {
  if (template.kind === 'constant') return [];
  if (template.kind === 'bytes') return template.positions;
  let at = 0;
  return template.values.map((value, number) => {
    at += Buffer.byteLength(template.parts[number] ?? '');
    const position = { at, value };
    at += values[value]?.text.length ?? 0;
    return position;
  });
}

function templateOf(
  one: Text,
  other: Text,
  values: readonly StartValue[],
  others: readonly StartValue[],
): TextTemplate | undefined {
  if (typeof one === 'string')
    return typeof other === 'string' ? textTemplate(one, other, values, others) : undefined;
  return typeof other === 'string' ? undefined : bytesTemplate(one, other, values, others);
}

function textTemplate(
  one: string,
  other: string,
  values: readonly StartValue[],
  others: readonly StartValue[],
): TextTemplate | undefined {
  if (one === other) return { kind: 'constant', text: one };
  const parts = [''];
  const numbers: number[] = [];
  for (let at = 0; at < one.length;) {
    const value = values.findIndex(({ text }) => text !== '' && one.startsWith(text, at));
    if (value < 0) {
      parts.push(`${parts.pop() ?? ''}${one.charAt(at++)}`);
      continue;
    }
    numbers.push(value);
    parts.push('');
    at += values[value]?.text.length ?? 1;
  }
  const template: TextTemplate = { kind: 'text', parts, values: numbers };
  return filled(template, others) === other ? template : undefined;
}

function bytesTemplate(
  one: Uint8Array,
  other: Uint8Array,
  values: readonly StartValue[],
  others: readonly StartValue[],
): TextTemplate | undefined {
  if (one.length !== other.length) return undefined;
  const positions: Position[] = [];
  for (let at = 0; at < one.length;) {
    const value = values.findIndex(
      ({ bytes }, number) =>
        isAt(one, at, bytes) && isAt(other, at, others[number]?.bytes ?? new Uint8Array()),
    );
    if (value >= 0) positions.push({ at, value });
    else if (one[at] !== other[at]) return undefined;
    at += value < 0 ? 1 : (values[value]?.bytes.length ?? 1);
  }
  if (positions.length === 0) return { kind: 'constant', text: one };
  return { kind: 'bytes', bytes: Uint8Array.from(one), positions };
}

function isAt(bytes: Uint8Array, at: number, part: Uint8Array): boolean {
  if (part.length === 0 || part.length > bytes.length - at) return false;
  for (let i = 0; i < part.length; i++) if (bytes[at + i] !== part[i]) return false;
  return true;
}

function filled(template: TextTemplate, values: readonly StartValue[]): Text {
  if (template.kind === 'constant') return template.text;
  if (template.kind === 'text') {
    const { parts, values: numbers } = template;
    let text = parts[0] ?? '';
    for (let i = 0; i < numbers.length; i++)
      text += (values[numbers[i] ?? 0]?.text ?? '') + (parts[i + 1] ?? '');
    return text;
  }
  const bytes = new Uint8Array(template.bytes);
  for (const { at, value } of template.positions) bytes.set(values[value]?.bytes ?? [], at);
  return bytes;
}
