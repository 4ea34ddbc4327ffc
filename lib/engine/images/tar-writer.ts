/** Headers of a tar archive (POSIX ustar; pax for sizes from 8 GiB), for what `save` writes: names are short, owners are root. */

const BLOCK = 512;
/** Sizes that eleven octal digits hold. */
const LARGEST_OCTAL = 0o77777777777;

export interface TarFile {
  /** At most 100 bytes; ASCII. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly isDirectory?: boolean | undefined;
}

/** What comes before the content. The time of all files is 1970: equal images have equal archives. */
export function tarHeader({ name, size, isDirectory = false }: TarFile): Buffer {
  const own = header(name, Math.min(size, LARGEST_OCTAL), isDirectory ? '5' : '0');
  if (size <= LARGEST_OCTAL) return own;
  const value = ` size=${size}\n`;
  // The length counts its own two digits.
  const record = Buffer.from(`${value.length + 2}${value}`);
  return Buffer.concat([header('pax', record.length, 'x'), record, tarPadding(record.length), own]);
}

/** What comes after the content. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The end of the archive. */
export const TAR_END = Buffer.alloc(2 * BLOCK);

function header(name: string, size: number, type: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(name) > 100) throw new Error(`a name of more than 100 bytes: ${name}`);
  block.write(name, 0);
  const number = (value: number, at: number, digits: number): void => {
    block.write(value.toString(8).padStart(digits, '0'), at);
  };
  number(type === '5' ? 0o755 : 0o644, 100, 7);
  number(0, 108, 7);
  number(0, 116, 7);
  number(size, 124, 11);
  number(0, 136, 11);
  block.fill(' ', 148, 156);
  block.write(type, 156);
  block.write('ustar\x0000', 257, 'latin1');
  number(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  block[154] = 0;
  return block;
}
