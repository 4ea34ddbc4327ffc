/** DNS messages for tests, written and read without the code that is tested: RFC 1035, RFC 6891. */

export const TYPE = {
  A: 1,
  CNAME: 5,
  MX: 15,
  TXT: 16,
  PTR: 12,
  AAAA: 28,
  SRV: 33,
  HTTPS: 65,
  AXFR: 252,
} as const;
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
} as const;

const OPT = 41;
const IN = 1;

export interface Question {
  readonly name: string;
  readonly type: number;
}

export interface DnsRecord extends Question {
  readonly ttl: number;
  /** An address, a name, or else the bytes in hexadecimal digits. */
  readonly data: string;
}

export interface Message {
  readonly id: number;
  readonly flags: number;
  readonly rcode: number;
  readonly truncated: boolean;
  readonly question: Question | undefined;
  readonly answers: readonly DnsRecord[];
  /** The size in the OPT record. */
  readonly udpSize: number | undefined;
}

export function encodeName(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.');
  return Buffer.concat([
    ...labels.map((label) =>
      Buffer.concat([Buffer.of(label.length), Buffer.from(label, 'latin1')]),
    ),
    Buffer.of(0),
  ]);
}

export function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, index) => bytes.writeUInt16BE(value, 2 * index));
  return bytes;
}

export interface Asked extends Partial<Question> {
  readonly id?: number;
  /** With an OPT record of this size. */
  readonly udpSize?: number;
  readonly flags?: number;
}

export function encodeQuery({
  name = '',
  type = TYPE.A,
  id = 1,
  udpSize,
  flags = 0x100,
}: Asked): Buffer {
  const opt = udpSize === undefined ? [] : [Buffer.of(0), numbers(OPT, udpSize, 0, 0, 0)];
  return Buffer.concat([
    numbers(id, flags, 1, 0, 0, opt.length > 0 ? 1 : 0),
    encodeName(name),
    numbers(type, IN),
    ...opt,
  ]);
}

export interface Given {
  readonly rcode?: number;
  readonly answers?: readonly {
    /** Default: the name that was asked for. */
    readonly name?: string;
    readonly type: number;
    readonly data: Uint8Array;
    readonly ttl?: number;
  }[];
  readonly truncated?: boolean;
}

/** The reply of a name server to a query. */
export function encodeReply(
  query: Buffer,
  { rcode = 0, answers = [], truncated = false }: Given,
): Buffer {
  const end = readName(query, 12).end + 4;
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(0x8180 | (truncated ? 0x200 : 0) | rcode, 2);
  head.set(numbers(1, answers.length, 0, 0), 4);
  const records = answers.map(({ name, type, data, ttl = 60 }) =>
    Buffer.concat([
      name === undefined ? numbers(0xc00c) : encodeName(name),
      numbers(type, IN, ttl >>> 16, ttl & 0xffff, data.length),
      data,
    ]),
  );
  return Buffer.concat([head, ...records]);
}

export function decode(bytes: Buffer): Message {
  const [id = 0, flags = 0, questions = 0, answers = 0, authorities = 0, additional = 0] =
    Array.from({ length: 6 }, (_, index) => bytes.readUInt16BE(2 * index));
  let at = 12;
  let question: Question | undefined;
  for (let left = questions; left > 0; left--) {
    const { name, end } = readName(bytes, at);
    question = { name, type: bytes.readUInt16BE(end) };
    at = end + 4;
  }
  const records: DnsRecord[] = [];
  let udpSize: number | undefined;
  for (let index = 0; index < answers + authorities + additional; index++) {
    const { name, end } = readName(bytes, at);
    const type = bytes.readUInt16BE(end);
    const size = bytes.readUInt16BE(end + 8);
    const begin = end + 10;
    at = begin + size;
    if (at > bytes.length) throw new Error('a record goes beyond the message');
    if (type === OPT) udpSize = bytes.readUInt16BE(end + 2);
    if (index < answers)
      records.push({
        name,
        type,
        ttl: bytes.readUInt32BE(end + 4),
        data: dataOf(bytes, type, begin, at),
      });
  }
  if (at !== bytes.length) throw new Error('bytes behind the message');
  const truncated = (flags & 0x200) !== 0;
  return { id, flags, rcode: flags & 15, truncated, question, answers: records, udpSize };
}

function dataOf(bytes: Buffer, type: number, begin: number, end: number): string {
  const data = bytes.subarray(begin, end);
  if (type === TYPE.A) return [...data].join('.');
  if (type === TYPE.PTR || type === TYPE.CNAME) return readName(bytes, begin).name;
  return data.toString('hex');
}

function readName(bytes: Buffer, begin: number): { name: string; end: number } {
  let at = begin;
  const labels: string[] = [];
  let end: number | undefined;
  for (let jumps = 0; ;) {
    const length = bytes.readUInt8(at);
    if (length >= 0xc0) {
      end ??= at + 2;
      at = bytes.readUInt16BE(at) & 0x3fff;
      if (++jumps > 100) throw new Error('a name without an end');
    } else if (length === 0) {
      return { name: labels.join('.'), end: end ?? at + 1 };
    } else {
      labels.push(bytes.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
  }
}
