/** Blocks of tar archives, also of malformed ones, with right checksums: what is behind the first check is reached. */
import { TAR_END, tarPadding } from '../../lib/engine/images/tar-writer.js';

export interface TarBlock {
  readonly name: string;
  readonly type: string;
  readonly target?: string;
  readonly content?: Buffer;
  /** In place of that of the content: octal digits, or any 12 bytes. */
  readonly size?: string;
}

/** The header of POSIX's ustar, then the content. */
export function tarBlock({
  name,
  type,
  target = '',
  content = Buffer.of(),
  size,
}: TarBlock): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  block.write('0000644\x000000000\x000000000\x00', 100, 'latin1');
  block.write(size ?? `${content.length.toString(8).padStart(11, '0')}\0`, 124, 12, 'latin1');
  block.write('00000000000\0', 136, 'latin1');
  block.write(type, 156, 1, 'latin1');
  block.write(target, 157, 100);
  block.write('ustar\x0000', 257, 'latin1');
  return Buffer.concat([withChecksum(block), content, tarPadding(content.length)]);
}

/** A pax header of these records. */
export function paxBlock(records: readonly (readonly [key: string, value: string])[]): Buffer {
  const content = Buffer.concat(
    records.map(([key, value]) => {
      const rest = Buffer.from(` ${key}=${value}\n`);
      // The length counts its own digits.
      let length = rest.length;
      while (length !== rest.length + String(length).length)
        length = rest.length + String(length).length;
      return Buffer.concat([Buffer.from(String(length)), rest]);
    }),
  );
  return tarBlock({ name: 'pax', type: 'x', content });
}

/** GNU's long name (`L`) or long target (`K`) of the next entry. */
export function gnuBlock(type: 'L' | 'K', text: string): Buffer {
  return tarBlock({ name: '././@LongLink', type, content: Buffer.from(`${text}\0`) });
}

/** Changes the block. */
export function withChecksum(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.subarray(0, 512).reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** Of every block that says that it is a header: what was changed in it is read. Changes the archive. */
export function withChecksums(archive: Buffer): Buffer {
  for (let at = 0; at + 512 <= archive.length; at += 512) {
    const block = archive.subarray(at, at + 512);
    if (block.toString('latin1', 257, 262) === 'ustar') withChecksum(block);
  }
  return archive;
}

export function archiveOf(...blocks: readonly Buffer[]): Buffer {
  return Buffer.concat([...blocks, TAR_END]);
}
