// Entries of tar archives, byte for byte: for archives that no one tool writes. POSIX.1-2017 pax(1) has ustar and pax, the manual of
// GNU tar (appendix "Tar Internals") the rest.

/** Bytes of a text or bytes; a text with characters above 0xff is UTF-8. */
const bytes = (value) => (Buffer.isBuffer(value) ? value : Buffer.from(value, 'utf8'));

/**
 * One header block.
 * @param {{ name: Buffer | string, type?: string, mode?: number, uid?: number, gid?: number, size?: number, mtime?: number,
 *   link?: Buffer | string, major?: number, minor?: number, prefix?: string, format?: 'ustar' | 'gnu' | 'v7' }} entry
 */
function header(entry) {
  const { type = '0', mode = 0o644, uid = 0, gid = 0, size = 0, mtime = 0 } = entry;
  const { major = 0, minor = 0, format = 'ustar' } = entry;
  const block = Buffer.alloc(512);
  const number = (value, at, length) => {
    if (value >= 0 && value < 8 ** (length - 1)) {
      block.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1');
      return;
    }
    // GNU: the first bit is set, the rest is a binary number in two's complement.
    const wide = Buffer.alloc(8);
    wide.writeBigInt64BE(BigInt(value));
    block.fill(value < 0 ? 0xff : 0, at, at + length);
    wide.copy(block, at + length - Math.min(8, length), 8 - Math.min(8, length));
    block[at] |= 0x80;
  };
  bytes(entry.name).copy(block, 0, 0, 100);
  number(mode, 100, 8);
  number(uid, 108, 8);
  number(gid, 116, 8);
  number(size, 124, 12);
  number(mtime, 136, 12);
  block.write(type, 156, 'latin1');
  bytes(entry.link ?? '').copy(block, 157, 0, 100);
  if (format !== 'v7') {
    block.write(format === 'gnu' ? 'ustar  \0' : 'ustar\x0000', 257, 'latin1');
    number(major, 329, 8);
    number(minor, 337, 8);
    if (entry.prefix !== undefined) block.write(entry.prefix, 345, 'latin1');
  }
  entry.patch?.(block, number);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** Data, filled up to whole blocks. */
function blocks(data) {
  return Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

/** One record of pax: its own length, a space, key=value and a newline. */
function paxRecord(key, value) {
  const tail = Buffer.concat([Buffer.from(` ${key}=`), bytes(value), Buffer.from('\n')]);
  let length = tail.length + 1;
  while (length !== tail.length + String(length).length)
    length = tail.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), tail]);
}

/** An extended header of pax: for the next entry (`x`), or for all that follow (`g`). */
export function paxHeader(records, type = 'x') {
  const data = Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value)));
  return Buffer.concat([header({ name: 'PaxHeaders/0', type, size: data.length }), blocks(data)]);
}

/** A long name (`L`) or a long link target (`K`) of GNU tar, for the next entry. */
function gnuLong(type, value) {
  const data = Buffer.concat([bytes(value), Buffer.alloc(1)]);
  const name = '././@LongLink';
  return Buffer.concat([header({ name, type, size: data.length, format: 'gnu' }), blocks(data)]);
}

/**
 * An entry with its data and what has to precede it.
 * @param {object} entry of `header`, and `data`; `pax`: records; `long: 'pax' | 'gnu'`: how a name or a link of more than 100 bytes is
 *   written (default pax); `sparse`: pieces `[offset, bytes]` and `realSize`, written as GNU tar's old format does
 */
export function tarEntry(entry) {
  const data = bytes(entry.data ?? '');
  const records = { ...entry.pax };
  const before = [];
  for (const [field, key, type] of [
    ['name', 'path', 'L'],
    ['link', 'linkpath', 'K'],
  ]) {
    const value = bytes(entry[field] ?? '');
    if (value.length <= 100 || entry.prefix !== undefined) continue;
    if (entry.long === 'gnu') before.push(gnuLong(type, value));
    else records[key] = value;
  }
  if (Object.keys(records).length > 0) before.push(paxHeader(records));
  if (entry.sparse !== undefined) return Buffer.concat([...before, sparseEntry(entry)]);
  return Buffer.concat([...before, header({ ...entry, size: data.length }), blocks(data)]);
}

/** Four pieces fit into the header, 21 into each block that follows it. */
function sparseEntry({ sparse, realSize, ...entry }) {
  const size = sparse.reduce((sum, [, piece]) => sum + piece.length, 0);
  const map = [...sparse.map(([offset, piece]) => [offset, piece.length])];
  const last = sparse.at(-1);
  if (last === undefined || last[0] + last[1].length < realSize) map.push([realSize, 0]);
  const octal = (block, value, at) =>
    block.write(value.toString(8).padStart(11, '0'), at, 'latin1');
  const write = (block, at, pieces) =>
    pieces.forEach(([offset, length], index) => {
      octal(block, offset, at + index * 24);
      octal(block, length, at + index * 24 + 12);
    });
  const first = header({
    ...entry,
    type: 'S',
    size,
    format: 'gnu',
    patch: (block) => {
      write(block, 386, map.slice(0, 4));
      if (map.length > 4) block[482] = 1;
      octal(block, realSize, 483);
    },
  });
  const extensions = [];
  for (let index = 4; index < map.length; index += 21) {
    const block = Buffer.alloc(512);
    write(block, 0, map.slice(index, index + 21));
    if (map.length > index + 21) block[504] = 1;
    extensions.push(block);
  }
  return Buffer.concat([
    first,
    ...extensions,
    blocks(Buffer.concat(sparse.map(([, piece]) => piece))),
  ]);
}

/** A sparse file in the format 1.0 of pax: its map is text at the begin of its data. */
export function paxSparse({ name, sparse, realSize, ...entry }) {
  const pieces = sparse.map(([offset, piece]) => `${offset}\n${piece.length}\n`);
  const map = blocks(Buffer.from(`${sparse.length}\n${pieces.join('')}`));
  return tarEntry({
    ...entry,
    name: `GNUSparseFile.0/${name.split('/').at(-1)}`,
    data: Buffer.concat([map, ...sparse.map(([, piece]) => piece)]),
    pax: {
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.name': name,
      'GNU.sparse.realsize': String(realSize),
    },
  });
}

/** A whole archive. */
export function archive(...entries) {
  return Buffer.concat([...entries, Buffer.alloc(1024)]);
}
