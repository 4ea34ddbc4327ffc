/** Directories with their attributes as a pax archive, for caisson-archive. */

/** Paths are those of `LayerInfo.implied`, as bytes. */
export interface GivenDirectory {
  readonly path: Buffer;
  /** Permissions, with those of set-user-id, set-group-id and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970. */
  readonly modified: bigint;
}

const BLOCK = 512;

export function directoryArchive(directories: readonly GivenDirectory[]): Buffer {
  return Buffer.concat([...directories.flatMap(entryOf), Buffer.alloc(2 * BLOCK)]);
}

function entryOf({ path, mode, uid, gid, modified }: GivenDirectory): Buffer[] {
  const time = modified < 0n ? 0n : modified;
  const fraction = String(time % 1_000_000_000n).padStart(9, '0');
  const extended = Buffer.concat([
    record('path', path),
    record('uid', Buffer.from(String(uid))),
    record('gid', Buffer.from(String(gid))),
    record('mtime', Buffer.from(`${time / 1_000_000_000n}.${fraction}`)),
  ]);
  const padding = Buffer.alloc((BLOCK - (extended.length % BLOCK)) % BLOCK);
  return [header('x', 0, extended.length), extended, padding, header('5', mode, 0)];
}

/** `LENGTH KEY=VALUE\n`; the length counts its own digits. */
function record(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length; // prettier-ignore
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function header(type: string, mode: number, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (at: number, digits: number, value: number) =>
    block.write(value.toString(8).padStart(digits, '0'), at, 'latin1');
  block.write('directory', 0, 'latin1');
  octal(100, 7, mode);
  octal(108, 7, 0);
  octal(116, 7, 0);
  octal(124, 11, size);
  octal(136, 11, 0);
  block.write(type, 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(329, 7, 0);
  octal(337, 7, 0);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  octal(148, 6, sum);
  block[154] = 0;
  return block;
}
